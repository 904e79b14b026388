// Applies batched state updates from the kernel (batching.py) to the widgets that they are for.

/** @param {import("./types").InitializeArguments} view */
function initialize({ model }) {
  /** @param {{ states?: Record<string, Record<string, unknown>> }} content changed state by model id */
  const applyStates = async ({ states }) => {
    for (const [id, state] of Object.entries(states ?? {})) {
      try {
        (await model.widget_manager.get_model(id)).set_state(state);
      } catch (error) {
        // A model that this page does not have yet will arrive with its full state.
        console.debug("[prunelab] not delivered", id, error);
      }
    }
  };
  model.on("msg:custom", applyStates);
  model.send({ have: model.get("count") });
  return () => model.off("msg:custom", applyStates);
}

export default { initialize };
