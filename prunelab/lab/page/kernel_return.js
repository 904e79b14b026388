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

/**
 * Keeps the comms of a kernel that was restarted away from those of the new one. JupyterLab has all comms with a target handled in
 * one subshell, counts them, and deletes it with the last one. It does not always notice a restart: new comms then go to the
 * subshell of before, or lose theirs when those of before are closed; and their messages are lost without a word.
 * @param {import("../widgets/types").WidgetManager} manager
 */
export function leaveSubshells(manager) {
  for (const coming of Object.values(manager._models ?? {})) {
    void coming.then((model) => {
      const comm = model.comm?.jsServicesComm;
      if (!comm?._subshellId) return;
      comm._commsOverSubshells = "disabled"; // not by its setter, which would count
      comm._subshellId = null;
      const shared = comm.constructor._commTargetSubShellsId;
      if (shared && manager.kernel) delete shared[manager.kernel.id];
    });
  }
}
