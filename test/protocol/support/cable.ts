import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server that can be cut, fall silent, or lead elsewhere. */
export interface Cable {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly url: string;
  /** New connections go to that address, say `http://127.0.0.1:4001`. */
  leadTo(url: string): void;
  /** Nothing passes any more on the open connections that the filter takes, by what was sent on them, and neither side hears of it. */
  fallSilent(filter: (sent: string) => boolean): void;
  /** Both sides hear of it at last. */
  cutSilent(): void;
  /** Ends all open connections. */
  cut(): void;
  /** Ends all open connections, and takes no more. */
  close(): void;
}

interface Line {
  readonly near: Socket;
  readonly far: Socket;
  sent: string;
  isSilent: boolean;
}

/** How much of what was sent is kept for filters, in characters. */
const KEPT = 100_000;

/** Lays a cable to an address. */
export async function newCable(url: string): Promise<Cable> {
  let target = new URL(url);
  const lines = new Set<Line>();
  const cut = (line: Line): void => {
    lines.delete(line);
    line.near.destroy();
    line.far.destroy();
  };
  const server = createServer((near) => {
    const line: Line = { near, far: connect(Number(target.port), target.hostname), sent: "", isSilent: false };
    lines.add(line);
    const { far } = line;
    near.on("data", (chunk) => {
      if (line.sent.length < KEPT) line.sent += chunk.toString("latin1");
      if (!line.isSilent) far.write(chunk);
    });
    far.on("data", (chunk) => void (line.isSilent || near.write(chunk)));
    for (const socket of [near, far]) {
      socket.on("error", () => undefined);
      socket.on("close", () => line.isSilent || cut(line));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cutAll = (): void => {
    for (const line of [...lines]) cut(line);
  };
  return {
    address,
    url: `http://${address}`,
    leadTo(elsewhere) {
      target = new URL(elsewhere);
    },
    fallSilent(filter) {
      for (const line of lines) line.isSilent = filter(line.sent);
    },
    cutSilent() {
      for (const line of [...lines]) if (line.isSilent) cut(line);
    },
    cut: cutAll,
    close() {
      server.close();
      cutAll();
    },
  };
}
