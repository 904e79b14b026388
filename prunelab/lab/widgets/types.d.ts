// Types of what our scripts are given, for the checker and the reader; nothing of it reaches a page.

/** What a widget manager knows by id: anywidget's model, or one of ipywidgets'. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, callback: (...values: any[]) => unknown): void;
  off(event: string, callback: (...values: any[]) => unknown): void;
  set_state(state: Record<string, unknown>): void;
  widget_manager: { get_model(id: string): Promise<Model> };
}

/** What anywidget calls `render` with. */
export interface RenderArguments {
  model: Model;
  el: HTMLElement;
}

/** What anywidget calls `initialize` with: there is no place on a page yet. */
export interface InitializeArguments {
  model: Model;
}

/** What plot_loader.js gives to the script that it loads. */
export interface PlotArguments extends RenderArguments {
  widgetModel(model: Model, reference: unknown): Promise<Model>;
  plotly(): Promise<Plotly>;
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

/** plotly.js's own object of an axis: the part of it that in-place changes rely on. */
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

/** The element that plotly.js draws in, with what it keeps on it: the part that in-place changes rely on. */
export interface Canvas extends HTMLElement {
  data: Trace[];
  layout: Layout;
  _fullData: Trace[];
  _fullLayout: Layout;
}

/** A histogram's threshold, as views/weights.py tells it in layout.meta.cuts. */
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

declare global {
  interface Window {
    Plotly: Plotly; // where plotly.js is a script of the page, not a module
  }
  // `prunelab bench browser` puts it into the page (bench/page.js).
  var prunelabBench: unknown;
  interface Navigator {
    scheduling?: { isInputPending?(options: { includeContinuous: boolean }): boolean };
  }
  interface Performance {
    memory: { usedJSHeapSize: number };
  }
}
