/** A signal that follows others, until it is let go. */
export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** Stops following. */
  dispose(): void;
}

/** A signal that aborts with the first of several. Unlike `AbortSignal.any`, nothing of it stays behind on long-lived ones. */
export function linkSignals(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const undo: (() => void)[] = [];
  for (const source of sources) {
    if (source === undefined) continue;
    const onAbort = (): void => controller.abort(source.reason);
    if (source.aborted) onAbort();
    source.addEventListener("abort", onAbort, { once: true });
    undo.push(() => source.removeEventListener("abort", onAbort));
  }
  return {
    signal: controller.signal,
    dispose: () => {
      for (const run of undo) run();
    },
  };
}
