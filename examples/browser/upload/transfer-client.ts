import { NonRetriableError } from "perdura";
import type { Declaration } from "./model.ts";

/** How far the Worker has a file. */
export interface TransferStatus {
  readonly sha256: string;
  readonly chunks: number;
  readonly missing: readonly number[];
  readonly finished: boolean;
}

/** An answer that another attempt would not change. */
const isFinal = (status: number): boolean => status >= 400 && status < 500 && ![408, 422, 425, 429].includes(status);

/**
 * The Worker's routes for files that come in chunks. Each call may be made again. What it throws is worth another attempt, unless
 * it is a {@link NonRetriableError}. `undefined` is answered where the Worker has no such transfer, or not all of it: send it anew.
 */
export class TransferClient {
  readonly #origin: string;

  /** @param origin where the Worker is. Default: where this page came from. */
  constructor(origin = "") {
    this.#origin = origin;
  }

  /** Says what is to be sent. */
  async declare(id: string, declaration: Declaration, signal: AbortSignal): Promise<TransferStatus> {
    const status = await this.#ask("PUT", id, signal, { body: JSON.stringify(declaration) });
    if (status === undefined) throw new Error("the Worker does not know what it has just been told");
    return status;
  }

  /** Sends one chunk, with its hash. */
  async send(id: string, index: number, chunk: ArrayBuffer, signal: AbortSignal): Promise<TransferStatus | undefined> {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", chunk));
    const headers = { "content-digest": `sha-256=:${btoa(String.fromCharCode(...digest))}:` };
    return this.#ask("PUT", `${id}/chunks/${index}`, signal, { body: chunk, headers });
  }

  /** Has the whole checked and kept. */
  finish(id: string, signal: AbortSignal): Promise<TransferStatus | undefined> {
    return this.#ask("POST", `${id}/finish`, signal, {});
  }

  /** Deletes what was sent. */
  async discard(id: string, signal: AbortSignal): Promise<void> {
    await this.#ask("DELETE", id, signal, {});
  }

  async #ask(
    method: string,
    path: string,
    signal: AbortSignal,
    init: { readonly body?: string | ArrayBuffer; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<TransferStatus | undefined> {
    const response = await fetch(`${this.#origin}/api/transfers/${path}`, { method, signal, ...init });
    if (response.status === 204) return undefined;
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as TransferStatus;
    const { code, message } = errorIn(text);
    if (code === "transfer_not_found" || code === "transfer_incomplete") return undefined;
    const why = `the Worker answered ${response.status}: ${message}`;
    throw isFinal(response.status) ? new NonRetriableError(why) : new Error(why);
  }
}

function errorIn(text: string): { readonly code: string; readonly message: string } {
  try {
    const { error } = JSON.parse(text) as { readonly error: { readonly code: string; readonly message: string } };
    return { code: error.code, message: error.message };
  } catch {
    return { code: "unknown", message: text.slice(0, 200) || "nothing" };
  }
}
