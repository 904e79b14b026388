// What has to be put right in Jupyter's connection and in ipywidgets after the kernel was lost, which neither does by itself.
// Both are internals that have kept their names since ipywidgets 7 and JupyterLab 3; the browser tests of a cut line notice
// when they change.

/**
 * Forgets messages of controls that wait for a connection: they would be carried out whenever it comes back.
 * @param {import("../widgets/types").KernelConnection | null} kernel
 * @returns {number} how many there were
 */
export function dropUnsent(kernel) {
  const waiting = kernel?._pendingMessages;
  if (!waiting) return 0;
  const before = waiting.length;
  for (let i = waiting.length - 1; i >= 0; i--) {
    const { header, content } = waiting[i];
    // What ipywidgets asks for to restore its models stays.
    if (header.msg_type === "comm_msg" && ["update", "custom"].includes(content?.data?.method)) waiting.splice(i, 1);
  }
  return before - waiting.length;
}

/**
 * Lets all models send again: a model waits for an answer before it sends its next change, and an answer that was lost with the
 * connection never comes.
 * @param {import("../widgets/types").WidgetManager} manager
 * @param {boolean} forget whether changes that wait are dropped
 */
export function freeModels(manager, forget) {
  for (const coming of Object.values(manager._models ?? {})) {
    void coming.then((model) => {
      model._pending_msgs = 0;
      if (!forget) return;
      model._msg_buffer = null;
      model._msg_buffer_callbacks = null;
      model._expectedEchoMsgIds?.clear();
    });
  }
}
