/** A promise of the engine that a run has broken. */
export class Violation extends Error {
  /** The invariant's name: shrinking keeps to it, and the mutation table lists it. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}
