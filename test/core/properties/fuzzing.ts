/**
 * How properties are tried out: the same cases each time, unless the environment asks for others (`FUZZ_SEED`) or for more of
 * them (`FUZZ_TIMES`).
 */
export function fuzzing(numRuns: number): { readonly numRuns: number; readonly seed: number } {
  const { FUZZ_SEED = "20261124", FUZZ_TIMES = "1" } = process.env;
  return { numRuns: numRuns * Number(FUZZ_TIMES), seed: Number(FUZZ_SEED) };
}
