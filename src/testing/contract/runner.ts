/** What the suite needs of a test framework: Vitest's, Jest's and node:test's functions of these names do. */
export interface ContractRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}
