/**
 * The id of a sub-orchestration that the code did not name: `<parent>:<4 hex of the action id>`, as the reference does, with
 * the generation between from the second one on, since action ids begin anew there and an old child may still run.
 */
export function defaultChildId(parentId: string, generation: number, actionId: number): string {
  const hex = actionId.toString(16).padStart(4, "0");
  return generation === 0 ? `${parentId}:${hex}` : `${parentId}:${generation}:${hex}`;
}
