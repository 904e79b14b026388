// Types of the values that our scripts receive, for the type checker and readers; not sent to any page.

/** A widget model, which a widget manager finds by id: of anywidget or ipywidgets. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown, options?: { updated_view?: unknown }): void; // updated_view: in which the user did it
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, callback: (...values: any[]) => unknown): void;
  off(event: string, callback: (...values: any[]) => unknown): void;
  set_state(state: Record<string, unknown>): void;
  widget_manager: WidgetManager;
}

/** The widget manager of a page: the part that we use; what begins with _ is internal to ipywidgets. */
export interface WidgetManager {
  get_model(id: string): Promise<Model>;
  kernel?: KernelConnection | null; // none on a page without a kernel
  restoreWidgets?(): Promise<void>; // Voila's: asks the kernel for the states of all models
  _kernelRestoreInProgress?: boolean; // whether they are under way
  _models?: Record<string, Promise<ModelInternals>>;
}

/** The part of a model with which ipywidgets waits for the answer to a change before it sends the next, and with which it sends. */
export interface ModelInternals {
  comm?: { jsServicesComm?: JupyterComm };
  _pending_msgs: number;
  _msg_buffer: object | null;
  _msg_buffer_callbacks: object | null;
  _expectedEchoMsgIds?: Map<string, string>;
}

/** JupyterLab's: what goes through it is handled in a subshell of the kernel, one for all comms with the same target. */
export interface JupyterComm {
  constructor: { _commTargetSubShellsId?: Record<string, unknown> };
  _commsOverSubshells?: "disabled" | "perComm" | "perCommTarget";
  _subshellId?: string | null;
}

interface Signal<Value> {
  connect(slot: (sender: unknown, value: Value) => void): void;
  disconnect(slot: (sender: unknown, value: Value) => void): void;
}

/** Jupyter's connection to a kernel: the part that we use; what begins with _ is internal to it. */
export interface KernelConnection {
  id: string;
  isDisposed: boolean;
  status: string;
  connectionStatus: "connected" | "connecting" | "disconnected";
  connectionStatusChanged: Signal<string>;
  statusChanged: Signal<string>;
  serverSettings: { baseUrl: string };
  reconnect(): Promise<void>;
  requestCommInfo(content: { target_name: string }): Promise<any>;
  _pendingMessages?: { header: { msg_type: string }; content: any }[];
}

/** The argument with which anywidget calls `render`. */
export interface RenderArguments {
  model: Model;
  el: HTMLElement;
}

/** The argument with which anywidget calls `initialize`: there is no element on a page yet. */
export interface InitializeArguments {
  model: Model;
}

/** The part of plotly.js's interface that we use. */
export interface Plotly {
  version: string;
  react(canvas: HTMLElement, data: Trace[], layout: Layout, config: object): Promise<unknown>;
  purge(canvas: HTMLElement): void;
}

// A view of prunelab.views: plotly.js's own attributes, which its reference describes.
export type Trace = Record<string, any>;
export type Layout = Record<string, any>;
export interface Figure {
  data?: Trace[];
  layout?: Layout;
}

/** plotly.js's internal object for an axis: the part that in-place changes rely on. */
export interface DrawnAxis {
  _id: string;
  _offset: number;
  _length: number;
  type: string;
  range: number[];
  c2p(value: number): number;
  p2c(pixels: number): number;
  setScale(): void;
}

/** The element that plotly.js draws in, with the properties it sets: the part that in-place changes rely on. */
export interface Canvas extends HTMLElement {
  data: Trace[];
  layout: Layout;
  _fullData: Trace[];
  _fullLayout: Layout;
  // Of plotly.js, from its first drawing on.
  on?(event: string, callback: (event: any) => void): void;
  removeAllListeners?(event: string): void;
}

/** A histogram's threshold, as views/weights.py describes it in layout.meta.cuts. */
export interface Cut {
  layer: string;
  axis: string;
  traces: [number, number];
  note: number;
  quality: number | null;
  deviation: number | null;
  follows: boolean;
  before: number[] | null;
}

export type Colour = [red: number, green: number, blue: number, opacity: number];

/** Shows one change of a picture. */
export type Change = () => void;

/** A trace that differs from what is drawn. */
export interface TraceChange {
  canvas: Canvas;
  /** What is drawn. */
  before: Required<Figure>;
  after: Required<Figure>;
  /** Of the trace. */
  index: number;
  /** Names of its attributes that have changed. */
  moved: string[];
  /** The trace may have been moved since `before` was drawn (plot_thresholds.js). */
  mayHaveMoved: boolean;
}

/** A label, image or shape that differs from what is drawn. */
export interface PartChange {
  canvas: Canvas;
  layout: Layout;
  /** Of the part in its list. */
  index: number;
  old: Record<string, any>;
  part: Record<string, any>;
  /** Names of its attributes that have changed. */
  moved: string[];
}

declare global {
  interface Window {
    Plotly: Plotly; // where plotly.js is a script of the page, not a module
  }
  // Injected into the page by `prunelab bench browser` (bench/page.js).
  var prunelabBench: unknown;
  interface Navigator {
    scheduling?: { isInputPending?(options: { includeContinuous: boolean }): boolean };
  }
  interface Performance {
    memory: { usedJSHeapSize: number };
  }
}
