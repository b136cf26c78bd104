/**
 * Lets the code of an async orchestrator run until nothing moves: resolves when every microtask that was queued, and every
 * one that those queued in turn, has run. A host port, since the cheapest hop that drains them differs: see
 * {@link messageChannelSettle}; inside workerd it is `await new Response("x").text()`.
 *
 * It must drain at least 20,000 chained awaits in one call.
 */
export type Settle = () => Promise<void>;

/** A port as Node has it: it keeps the process alive while somebody listens, unless told not to. */
interface NodePort {
  ref?(): void;
  unref?(): void;
}

/**
 * Settles by a `MessageChannel` hop, which in browsers and Node is a macrotask of 4 to 8 microseconds: all microtasks run before
 * it arrives. Not for workerd, where it is none.
 *
 * The channel keeps a Node process alive only while somebody waits for a hop.
 */
export function messageChannelSettle(): Settle {
  const { port1, port2 } = new MessageChannel();
  let waiting: (() => void)[] = [];
  const listener = port1 as NodePort;
  port1.onmessage = () => {
    const due = waiting;
    waiting = [];
    listener.unref?.();
    for (const resolve of due) resolve();
  };
  listener.unref?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      // One hop serves all who wait at the same moment: it arrives after every microtask that is queued by then.
      if (waiting.length > 1) return;
      listener.ref?.();
      port2.postMessage(undefined);
    });
}
