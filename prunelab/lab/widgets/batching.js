// Hands what the kernel delivers (batching.py) to the widgets it is for.

/** @param {import("./types").InitializeArguments} view */
function initialize({ model }) {
  /** @param {{ states?: Record<string, Record<string, unknown>> }} content by model id, what has changed */
  const handOver = async ({ states }) => {
    for (const [id, state] of Object.entries(states ?? {})) {
      try {
        (await model.widget_manager.get_model(id)).set_state(state);
      } catch (error) {
        // One that this page does not have yet gets all of its state when it comes.
        console.debug("[prunelab] not delivered", id, error);
      }
    }
  };
  model.on("msg:custom", handOver);
  model.send({ have: model.get("count") });
  return () => model.off("msg:custom", handOver);
}

export default { initialize };
