/** `perdura gateway` as a process of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { serveFetch } from "./support/fetch-upstream.ts";
import { frame, openSession, rawCall, trailerFrame, webAnswer } from "./support/raw-grpc.ts";
import { selfSigned } from "./support/self-signed.ts";
import { type ServeProcess, startPerdura } from "./support/serve-process.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function started(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ServeProcess> {
  const command = await startPerdura(["gateway", "--listen", "127.0.0.1:0", ...args], env);
  undo.push(() => command.end("SIGKILL").catch(() => undefined));
  return command;
}

describe("perdura gateway", () => {
  it("shows the token of PERDURA_TOKEN, or of --token, and prints neither", async () => {
    const seen: (string | null)[] = [];
    const server = await serveFetch(({ headers }) => {
      seen.push(headers.get("authorization"), headers.get("durabletask-dialect"));
      return webAnswer([trailerFrame({ "grpc-status": "0" })]);
    });
    undo.push(() => server.close());
    const runs: [string[], Record<string, string>, string][] = [
      [["--dialect", "microsoft"], { PERDURA_TOKEN: "from-env" }, "(dialect microsoft, with a token)"],
      [["--token", "from-args"], { PERDURA_TOKEN: "from-env" }, "(dialect auto, with a token)"],
      [[], { PERDURA_TOKEN: "" }, "(dialect auto, without a token)"],
    ];
    for (const [args, env, shown] of runs) {
      const command = await started(["--upstream", server.url, ...args], env);
      const session = openSession(command.address);
      expect((await rawCall(session, "Hello").answer).status).toBe("0");
      session.destroy();
      expect(command.output()).toBe(`perdura forwards gRPC on ${command.address} to ${server.url} ${shown}\n`);
      expect(await command.end("SIGTERM")).toBe(0);
    }
    expect(seen).toEqual(["Bearer from-env", "microsoft", "Bearer from-args", null, null, null]);
  });

  it("forwards to an upstream over TLS whose certificate it trusts, and to no other", async () => {
    const { cert, key } = selfSigned();
    const folder = mkdtempSync(join(tmpdir(), "perdura-tls-"));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const trusted = join(folder, "cert.pem");
    writeFileSync(trusted, cert);
    const seen: (string | undefined)[] = [];
    const server = createServer({ cert, key }, (request, response) => {
      seen.push(request.headers.authorization);
      request.resume();
      response.writeHead(200, { "content-type": "application/grpc-web+proto" });
      response.end(trailerFrame({ "grpc-status": "0" }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    undo.push(() => server.close());
    const upstream = `https://localhost:${(server.address() as AddressInfo).port}`;
    for (const [env, status] of [
      [{ NODE_EXTRA_CA_CERTS: trusted }, "0"],
      [{}, "14"],
    ] as const) {
      const command = await started(["--upstream", upstream], { PERDURA_TOKEN: "secret", ...env });
      const session = openSession(command.address);
      // The second call takes the connection of the first.
      for (let calls = 0; calls < 2; calls++) {
        const answer = await rawCall(session, "Hello").answer;
        expect(answer.status).toBe(status);
        if (status !== "0") expect(answer.message).toContain("NODE_EXTRA_CA_CERTS");
      }
      session.destroy();
      await command.end("SIGTERM");
    }
    expect(seen).toEqual(["Bearer secret", "Bearer secret"]);
  });

  it("stops cleanly on SIGINT and SIGTERM, with streams open: they end with unavailable", async () => {
    const server = await serveFetch(() => {
      const body = new ReadableStream<Uint8Array>({ start: (stream) => stream.enqueue(frame(Buffer.from("item"))) });
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    undo.push(() => server.close());
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const command = await started(["--upstream", server.url]);
      const { stream, answer } = rawCall(openSession(command.address), "GetWorkItems");
      await new Promise((resolve) => stream.once("data", resolve));
      const begun = performance.now();
      expect(await command.end(signal)).toBe(0);
      expect(performance.now() - begun).toBeLessThan(4000);
      expect((await answer).status).toBe("14");
    }
  });

  it("says what is wrong with a command line", async () => {
    for (const [args, text] of [
      [[], "--upstream is missing"],
      [["--upstream", "nowhere"], "the upstream is 'nowhere'"],
      [["--upstream", "http://127.0.0.1:9", "--dialect", "klingon"], "--dialect is 'klingon'"],
      [["--upstream", "http://127.0.0.1:9", "--data", "x"], "Unknown option"],
      [["--upstream", "http://127.0.0.1:9", "--token", "two words"], "printable characters"],
    ] as const) {
      await expect(started(args)).rejects.toThrow(text);
    }
  });
});
