/**
 * Every web API that the core may use, and no more: the core is checked with `lib` ES2023 and no ambient types, so what
 * is not named here does not exist for it. All hosts (browsers, workerd, Node) have these with at least this shape.
 * Never imported and never published: a user of the package sees the types of their own host instead.
 */

declare class AbortSignal {
  private constructor();
  static abort(reason?: unknown): AbortSignal;
  static any(signals: AbortSignal[]): AbortSignal;
  static timeout(milliseconds: number): AbortSignal;
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
  readonly subtle: {
    digest(
      algorithm: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512",
      data: ArrayBuffer | ArrayBufferView<ArrayBuffer>,
    ): Promise<ArrayBuffer>;
    importKey(
      format: "raw",
      key: Uint8Array<ArrayBuffer>,
      algorithm: "AES-GCM",
      extractable: boolean,
      usages: ("encrypt" | "decrypt")[],
    ): Promise<CryptoKey>;
    encrypt(params: AesGcmParams, key: CryptoKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    decrypt(params: AesGcmParams, key: CryptoKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  };
};

declare class CryptoKey {
  private constructor();
}

interface AesGcmParams {
  readonly name: "AES-GCM";
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly additionalData: Uint8Array<ArrayBuffer>;
}

/** Text of bytes (one character each) to base64 and back. */
declare function btoa(binary: string): string;
declare function atob(base64: string): string;

/** The handle is a number in browsers and an object in Node and workerd: keep it, give it back, look no further. */
declare function setTimeout(callback: () => void, milliseconds?: number): unknown;
declare function clearTimeout(timer: unknown): void;
declare function queueMicrotask(callback: () => void): void;
declare function structuredClone<T>(value: T): T;

declare class MessagePort {
  private constructor();
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

declare class MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}

declare const performance: { now(): number };

declare const console: {
  debug(...values: unknown[]): void;
  error(...values: unknown[]): void;
  info(...values: unknown[]): void;
  log(...values: unknown[]): void;
  warn(...values: unknown[]): void;
};
