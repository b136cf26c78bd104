/** What the gateway makes of calls and answers, good and bad: the upstream is a handler of the test. */
import type { ClientHttp2Session } from "node:http2";
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import type { GatewayOptions, RunningGateway } from "../../src/connect/node/index.ts";
import { type FetchHandler, type FetchServer, openTestGateway, serveFetch } from "./support/fetch-upstream.ts";
import { frame, openSession, type RawAnswer, rawCall, trailerFrame, webAnswer } from "./support/raw-grpc.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Scene {
  readonly gateway: RunningGateway;
  readonly server: FetchServer;
  readonly session: ClientHttp2Session;
  readonly address: string;
}

async function scene(handle: FetchHandler, options: Partial<GatewayOptions> = {}): Promise<Scene> {
  const server = await serveFetch(handle);
  const gateway = await openTestGateway({ upstream: server.url, ...options });
  const address = `127.0.0.1:${gateway.port}`;
  const session = openSession(address);
  undo.push(
    () => server.close(),
    () => gateway.close(),
    () => session.destroy(),
  );
  return { gateway, server, session, address };
}

const OK = trailerFrame({ "grpc-status": "0" });
const never = (): Promise<Response> => new Promise(() => undefined);

/** A stream that begins, and ends when it is cancelled only. */
function openStream(onCancel: () => void = () => undefined): Response {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(frame(Buffer.from("first"))),
    cancel: onCancel,
  });
  return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
}

describe("what passes through the gateway", () => {
  it("passes messages and metadata both ways, without what belongs to a connection", async () => {
    let seen: Request | undefined;
    let body = Buffer.alloc(0);
    const { session } = await scene(async (request) => {
      seen = request;
      body = Buffer.from(await request.arrayBuffer());
      return webAnswer(
        [
          frame(Buffer.from("one")),
          frame(Buffer.from("two")),
          trailerFrame({ "grpc-status": "0", "x-last": "omega", "x-odd": "b\u0007d" }),
        ],
        { "x-first": "alpha", "keep-alive": "timeout=9" },
      );
    });
    const sent = frame(Buffer.from("question"));
    const { answer } = rawCall(session, "Hello", sent, {
      "user-agent": "some-sdk/1",
      "x-custom": "beta",
      "x-bytes-bin": "AAEC",
      "grpc-timeout": "5S",
      "grpc-accept-encoding": "identity,gzip",
      authorization: "Bearer mine",
    });
    const { http, headers, trailers, body: answered, status } = await answer;
    expect(http).toBe(200);
    expect(status).toBe("0");
    expect(answered).toEqual(Buffer.concat([frame(Buffer.from("one")), frame(Buffer.from("two"))]));
    expect(headers).toMatchObject({ "content-type": "application/grpc+proto", "x-first": "alpha" });
    expect(headers).not.toHaveProperty("keep-alive");
    expect(headers).not.toHaveProperty("transfer-encoding");
    expect(trailers).toMatchObject({ "x-last": "omega" });
    expect(trailers).not.toHaveProperty("x-odd");
    expect(body).toEqual(sent);
    expect(new URL(seen?.url ?? "").pathname).toBe("/TaskHubSidecarService/Hello");
    expect(Object.fromEntries(seen?.headers ?? [])).toMatchObject({
      "content-type": "application/grpc-web+proto",
      "user-agent": "some-sdk/1",
      "x-custom": "beta",
      "x-bytes-bin": "AAEC",
      "grpc-timeout": "5S",
      "x-grpc-web": "1",
      authorization: "Bearer mine",
    });
    for (const name of ["te", "grpc-accept-encoding", "durabletask-dialect"])
      expect(seen?.headers.has(name)).toBe(false);
  });

  it("shows its token and names its dialect, below the upstream's path; a client's own dialect goes before", async () => {
    const seen: Request[] = [];
    const handle: FetchHandler = (request) => {
      seen.push(request);
      return webAnswer([OK]);
    };
    const server = await serveFetch(handle);
    const gateway = await openTestGateway({ upstream: `${server.url}/hub/`, token: "secret", dialect: "microsoft" });
    const session = openSession(`127.0.0.1:${gateway.port}`);
    undo.push(
      () => server.close(),
      () => gateway.close(),
      () => session.destroy(),
    );
    await rawCall(session, "Hello", undefined, { authorization: "Bearer other" }).answer;
    await rawCall(session, "/dapr/TaskHubSidecarService/Hello", undefined, {
      "durabletask-dialect": "dapr",
    }).answer;
    expect(seen.map(({ url }) => new URL(url).pathname)).toEqual([
      "/hub/TaskHubSidecarService/Hello",
      "/hub/dapr/TaskHubSidecarService/Hello",
    ]);
    expect(seen.map(({ headers }) => headers.get("authorization"))).toEqual(["Bearer secret", "Bearer secret"]);
    expect(seen.map(({ headers }) => headers.get("durabletask-dialect"))).toEqual(["microsoft", "dapr"]);
  });

  it("passes a status with its text and metadata on, of an answer with a body and of one without", async () => {
    const { session } = await scene(({ url }) => {
      const status = {
        "grpc-status": "9",
        "grpc-message": "not%20now%20%C3%A9",
        "perdura-error-code": "instance_exists",
      };
      return url.endsWith("Hello") ? webAnswer([trailerFrame(status)]) : webAnswer([], status);
    });
    for (const method of ["Hello", "StartInstance"]) {
      const { status, message, trailers, body } = await rawCall(session, method).answer;
      expect({ status, message, code: trailers["perdura-error-code"] }).toEqual({
        status: "9",
        message: "not now é",
        code: "instance_exists",
      });
      expect(body).toHaveLength(0);
    }
  });

  it("passes an answer on as it comes, whatever pieces it comes in", async () => {
    const whole = Buffer.concat([frame(Buffer.from("abc")), frame(Buffer.alloc(0)), frame(Buffer.alloc(9, 7)), OK]);
    const { session } = await scene(() => {
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (at === whole.length) controller.close();
          else controller.enqueue(whole.subarray(at, ++at));
        },
      });
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    const { status, body } = await rawCall(session, "StreamInstanceHistory").answer;
    expect(status).toBe("0");
    expect(body).toEqual(whole.subarray(0, whole.length - OK.length));
  });

  it("keeps the pings of a stream in Dapr's dialect, which Dapr's workers do not know, to itself", async () => {
    const ping = frame(Buffer.from([0x22, 0x00]));
    const other = frame(Buffer.from([0x22, 0x01]));
    const items = [ping, frame(Buffer.from("item")), ping, other, ping, OK];
    const { session } = await scene(({ url, headers }) =>
      url.endsWith("GetWorkItems") && headers.has("x-dapr")
        ? webAnswer(items, { "durabletask-dialect": "dapr" })
        : webAnswer(items),
    );
    const asked = rawCall(session, "GetWorkItems", undefined, { "x-dapr": "1" });
    expect((await asked.answer).body).toEqual(Buffer.concat([frame(Buffer.from("item")), other]));
    for (const method of ["GetWorkItems", "Hello"])
      expect((await rawCall(session, method).answer).body).toEqual(Buffer.concat(items.slice(0, -1)));
  });

  it("takes no more of an answer than the client takes", { timeout: 30_000 }, async () => {
    const chunk = frame(Buffer.alloc(256 * 1024));
    let produced = 0;
    const { session } = await scene(() => {
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          produced += chunk.length;
          if (produced > 400 * chunk.length) {
            controller.enqueue(OK);
            controller.close();
          } else controller.enqueue(chunk);
        },
      });
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    const { stream, answer } = rawCall(session, "GetWorkItems");
    stream.pause();
    await new Promise((resolve) => setTimeout(resolve, 500));
    // What fits in the buffers of two connections, of 100 MB.
    expect(produced).toBeLessThan(20 * 1024 * 1024);
    stream.resume();
    expect((await answer).body).toHaveLength(400 * chunk.length);
  });
});

describe("ends of calls", () => {
  it("enforces a deadline, towards both sides", async () => {
    let isGone = false;
    const { session, gateway } = await scene(({ signal, headers }) => {
      expect(headers.get("grpc-timeout")).toBe("200m");
      signal.addEventListener("abort", () => {
        isGone = true;
      });
      return never();
    });
    const begun = performance.now();
    // The request's own end never comes: the deadline does not wait for it.
    const half = rawCall(session, "Hello", frame(Buffer.alloc(10)).subarray(0, 8), { "grpc-timeout": "200m" }, false);
    const { status } = await half.answer;
    expect(status).toBe(String(Code.DeadlineExceeded));
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(gateway.calls).toBe(0);
    const ended = await rawCall(session, "Hello", undefined, { "grpc-timeout": "200m" }).answer;
    expect(ended.status).toBe(String(Code.DeadlineExceeded));
    await expect.poll(() => isGone).toBe(true);
    const odd = await rawCall(session, "Hello", undefined, { "grpc-timeout": "soon" }).answer;
    expect(odd.status).toBe(String(Code.InvalidArgument));
  });

  it("a stream may be silent for longer than an idle connection is kept", async () => {
    let speak: (() => void) | undefined;
    const { session } = await scene(({ url }) => {
      if (url.endsWith("Hello")) return webAnswer([OK]);
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          speak = () => {
            controller.enqueue(OK);
            controller.close();
          };
        },
      });
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    await rawCall(session, "Hello").answer;
    const { answer } = rawCall(session, "GetWorkItems");
    await new Promise((resolve) => setTimeout(resolve, 4500));
    speak?.();
    expect((await answer).status).toBe("0");
  });

  it("a deadline in mid-stream ends the stream", async () => {
    let cancelled = 0;
    const { session } = await scene(() => openStream(() => cancelled++));
    const { answer } = rawCall(session, "GetWorkItems", undefined, { "grpc-timeout": "200m" });
    const { status, body } = await answer;
    expect(status).toBe(String(Code.DeadlineExceeded));
    expect(body).toEqual(frame(Buffer.from("first")));
    await expect.poll(() => cancelled).toBe(1);
  });

  it("a client that gives up, before the answer or in it, takes the upstream's call with it", async () => {
    let begun = 0;
    let cancelled = 0;
    const { session, gateway } = await scene(({ url, signal }) => {
      begun++;
      if (url.endsWith("GetWorkItems")) return openStream(() => cancelled++);
      signal.addEventListener("abort", () => cancelled++);
      return never();
    });
    const waiting = rawCall(session, "Hello");
    const streaming = rawCall(session, "GetWorkItems");
    await new Promise((resolve) => streaming.stream.once("data", resolve));
    await expect.poll(() => begun).toBe(2);
    waiting.stream.close(8);
    streaming.stream.close(8);
    await expect.poll(() => cancelled).toBe(2);
    await expect.poll(() => gateway.calls).toBe(0);
  });

  it("2,000 opened and dropped streams leave nothing behind", async () => {
    let open = 0;
    const { address, gateway } = await scene(() => {
      open++;
      return openStream(() => open--);
    });
    for (let round = 0; round < 20; round++) {
      // Node closes a connection that resets a thousand streams at once.
      const session = openSession(address);
      const calls = Array.from({ length: 100 }, () => rawCall(session, "GetWorkItems"));
      await Promise.race(calls.map(({ stream }) => new Promise((resolve) => stream.once("data", resolve))));
      for (const { stream } of calls) stream.close(8);
      await Promise.all(calls.map(({ answer }) => answer));
      session.destroy();
    }
    await expect.poll(() => gateway.calls, { timeout: 10_000 }).toBe(0);
    await expect.poll(() => open, { timeout: 10_000 }).toBe(0);
  });

  it("a stream that breaks off ends with unavailable, one without a status too", async () => {
    const { session, server } = await scene(({ url }) =>
      url.endsWith("Hello") ? webAnswer([frame(Buffer.from("all?"))]) : openStream(),
    );
    const short = await rawCall(session, "Hello").answer;
    expect(short.status).toBe(String(Code.Unavailable));
    expect(short.message).toContain("without a status");
    const { stream, answer } = rawCall(session, "GetWorkItems");
    await new Promise((resolve) => stream.once("data", resolve));
    await server.close();
    const cut = await answer;
    expect(cut.status).toBe(String(Code.Unavailable));
    expect(cut.message).toContain("broke off");
  });

  it("closing ends open streams with unavailable at once, and lets a call that waits have its answer", async () => {
    const answers: ((response: Response) => void)[] = [];
    let cancelled = 0;
    const { session, gateway } = await scene(({ url }) => {
      if (url.endsWith("GetWorkItems")) return openStream(() => cancelled++);
      return new Promise<Response>((resolve) => answers.push(resolve));
    });
    const streaming = rawCall(session, "GetWorkItems");
    await new Promise((resolve) => streaming.stream.once("data", resolve));
    const waiting = rawCall(session, "Hello");
    const hanging = rawCall(session, "Hello");
    await expect.poll(() => answers.length).toBe(2);
    const closing = gateway.close();
    const { status, message } = await streaming.answer;
    expect({ status, message }).toEqual({
      status: String(Code.Unavailable),
      message: "the gateway is stopping: connect again",
    });
    answers[0]?.(webAnswer([OK]));
    const ends = await Promise.all([waiting.answer, hanging.answer]);
    expect(ends.map((end) => end.status).sort()).toEqual(["0", String(Code.Unavailable)]);
    await closing;
    expect(gateway.calls).toBe(0);
    expect(cancelled).toBe(1);
  });
});

describe("an upstream in trouble", () => {
  it("that is down gives unavailable, and says what to look at; one that comes up in time is none", async () => {
    const { session, server, gateway } = await scene(() => webAnswer([OK]), { patienceMs: 1500 });
    await server.close();
    const begun = performance.now();
    const { status, message } = await rawCall(session, "Hello").answer;
    expect(status).toBe(String(Code.Unavailable));
    expect(message).toMatch(/cannot be reached.*ECONNREFUSED.*check that it runs and that --upstream is right/);
    expect(performance.now() - begun).toBeLessThan(3000);
    const late = rawCall(session, "Hello").answer;
    await new Promise((resolve) => setTimeout(resolve, 300));
    const again = await serveFetch(() => webAnswer([OK]), server.port);
    undo.push(() => again.close());
    expect((await late).status).toBe("0");
    expect(gateway.calls).toBe(0);
  });

  it("an answer of a worker is handed in again after a failure on the way; nothing else is sent twice", async () => {
    const seen: string[] = [];
    const { session } = await scene(
      async (request) => {
        const path = new URL(request.url).pathname.split("/").at(-1) ?? "";
        const body = await request.text();
        const earlier = seen.filter((each) => each === path).length;
        seen.push(path);
        if (earlier === 0) throw new Error("the connection is cut");
        if (earlier === 1) return new Response("<h1>bad gateway</h1>", { status: 502 });
        return webAnswer([frame(Buffer.from(body)), OK]);
      },
      { patienceMs: 3000 },
    );
    const completion = await rawCall(session, "CompleteActivityTask", frame(Buffer.from("done"))).answer;
    expect(completion.status).toBe("0");
    expect(completion.body.toString()).toContain("done");
    const start = await rawCall(session, "StartInstance").answer;
    expect(start.status).toBe(String(Code.Unavailable));
    expect(seen).toEqual(["CompleteActivityTask", "CompleteActivityTask", "CompleteActivityTask", "StartInstance"]);
  });

  it.each<[string, () => Response, Code, RegExp]>([
    [
      "401",
      () => Response.json({ error: { code: "unauthenticated", message: "show the token" } }, { status: 401 }),
      Code.Unauthenticated,
      /answered 401 \("show the token"\): .*PERDURA_TOKEN/,
    ],
    ["403", () => new Response(null, { status: 403 }), Code.PermissionDenied, /wrangler secret put PERDURA_TOKEN/],
    ["404", () => new Response("nothing is here", { status: 404 }), Code.Unimplemented, /check --upstream/],
    ["405", () => new Response(null, { status: 405 }), Code.Unimplemented, /check --upstream/],
    ["413", () => new Response(null, { status: 413 }), Code.ResourceExhausted, /larger than the upstream takes/],
    ["429", () => new Response(null, { status: 429 }), Code.Unavailable, /too many requests/],
    ["500", () => new Response("oops", { status: 500 }), Code.Unknown, /answered 500 \("oops"\)/],
    [
      "502 with a page",
      () => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "content-type": "text/html" } }),
      Code.Unavailable,
      /answered 502 with text\/html: .*try again later/,
    ],
    ["522", () => new Response(null, { status: 522 }), Code.Unavailable, /cannot be reached now/],
    [
      "a redirect to a login page",
      () => new Response(null, { status: 302, headers: { location: "https://login.example/" } }),
      Code.Unknown,
      /sends callers on to https:\/\/login\.example\//,
    ],
    [
      "a page",
      () => new Response("<h1>Welcome</h1>", { headers: { "content-type": "text/html" } }),
      Code.Unknown,
      /that is not gRPC/,
    ],
  ])("that answers %s gives the fitting code and says what to do", async (_, respond, code, text) => {
    const { session } = await scene(respond);
    const { http, status, message } = await rawCall(session, "Hello").answer;
    expect(http).toBe(200);
    expect(status).toBe(String(code));
    expect(message).toMatch(text);
  });

  it.each<[string, () => Response]>([
    ["a frame that is none", () => webAnswer([frame(Buffer.from("x"), 0x42), OK])],
    ["a last frame of 4 GB", () => webAnswer([Buffer.from([0x80, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(100)])],
    ["a last frame that is compressed", () => webAnswer([frame(Buffer.from("zip"), 0x81)])],
    ["names that no header may have", () => webAnswer([frame(Buffer.from("a b: c\r\n"), 0x80)])],
  ])("that sends %s gives internal, and harms no other call", async (_, respond) => {
    const { session } = await scene(({ url }) => (url.endsWith("Hello") ? respond() : webAnswer([OK])));
    const { status, message } = await rawCall(session, "Hello").answer;
    expect(status).toBe(String(Code.Internal));
    expect(message).toContain("no gRPC-Web");
    expect((await rawCall(session, "StartInstance").answer).status).toBe("0");
  });

  it("trailers that HTTP/2 forbids are left out", async () => {
    const trailers = { "grpc-status": "0", connection: "close", "transfer-encoding": "chunked", fine: "yes" };
    const { session } = await scene(() => webAnswer([trailerFrame(trailers)]));
    const { status, trailers: seen } = await rawCall(session, "Hello").answer;
    expect(status).toBe("0");
    expect(seen.fine).toBe("yes");
    expect(seen).not.toHaveProperty("connection");
  });
});

describe("what is not forwarded", () => {
  it("says so to whoever is no gRPC client", async () => {
    let forwarded = 0;
    const { address, session } = await scene(() => {
      forwarded++;
      return webAnswer([OK]);
    });
    const get = await fetch(`http://${address}/`);
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
    expect(await get.text()).toContain("gateway for native gRPC");
    const post = (type: string): Promise<Response> =>
      fetch(`http://${address}/TaskHubSidecarService/Hello`, {
        method: "POST",
        headers: { "content-type": type },
        body: "x",
      });
    expect((await post("application/json")).status).toBe(415);
    expect((await post("application/grpc")).status).toBe(505);
    const over2 = async (headers: Record<string, string>): Promise<RawAnswer> =>
      rawCall(session, "Hello", undefined, headers).answer;
    expect((await over2({ "content-type": "application/grpc-web+proto" })).http).toBe(415);
    expect((await over2({ "content-type": "application/grpc-fake" })).http).toBe(415);
    expect((await over2({ ":method": "PUT" })).http).toBe(405);
    for (const path of [
      "/api/publish",
      "/x/../TaskHubSidecarService/Hello",
      "/TaskHubSidecarService/Hello?x=1",
      "//evil.example/TaskHubSidecarService/Hello",
      "*",
    ]) {
      const { status, message } = await rawCall(session, path.startsWith("/") ? path : "/*").answer;
      expect(status).toBe(String(Code.Unimplemented));
      expect(message).toContain("forwards calls of TaskHubSidecarService");
    }
    expect(forwarded).toBe(0);
  });

  it("takes no message above its limit, said or sent", { timeout: 30_000 }, async () => {
    const { session, gateway } = await scene(
      async (request) => {
        await request.arrayBuffer();
        return webAnswer([OK]);
      },
      { maxMessageBytes: 4_000_000 },
    );
    const said = await rawCall(session, "Hello", Buffer.concat([Buffer.from([0, 0xff, 0, 0, 0]), Buffer.alloc(100)]))
      .answer;
    expect(said.status).toBe(String(Code.ResourceExhausted));
    const small = frame(Buffer.alloc(100));
    const sent = await rawCall(session, "Hello", Buffer.concat([small, Buffer.alloc(50_000_000)])).answer;
    expect(sent.status).toBe(String(Code.ResourceExhausted));
    expect((await rawCall(session, "Hello", frame(Buffer.alloc(4_000_000))).answer).status).toBe("0");
    await expect.poll(() => gateway.calls).toBe(0);
  });

  it("refuses an upstream and a token that are none", async () => {
    for (const upstream of ["nowhere", "ftp://hub.example", "https://user:pw@hub.example", "https://hub.example/?a=1"])
      await expect(openTestGateway({ upstream })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(openTestGateway({ upstream: "http://127.0.0.1:1", token: "two words" })).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });
});
