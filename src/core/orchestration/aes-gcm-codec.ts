import { fromBase64, toBase64 } from "../base64.ts";
import { InvalidArgumentError } from "../errors.ts";
import type { PayloadCodec } from "./payload-codec.ts";

/** Keys of {@link newAesGcmCodec}. */
export interface AesGcmCodecOptions {
  /** Raw keys of 16 or 32 bytes by id: each text names the one that it was encrypted with. */
  readonly keys: Readonly<Record<string, Uint8Array>>;
  /** The id of the key that new texts are encrypted with. Old keys stay until nothing is left of their texts. */
  readonly current: string;
  /** Whether texts that were stored before there was a codec may be read. Default false: they are refused. */
  readonly acceptPlain?: boolean;
}

const PREFIX = "aesgcm1:";
const IV_BYTES = 12;

/**
 * Encrypts payloads with AES-GCM, by WebCrypto. Each text gets a random initialization vector, and is bound to its key's id.
 * It keeps secrets from whoever reads the storage; it does not hide names, sizes or times.
 *
 * @throws {@link InvalidArgumentError} when the current key is not among the keys, or an id holds a colon.
 *
 * @example
 * const codec = newAesGcmCodec({ keys: { "2026-11": await keyOfUser() }, current: "2026-11" });
 * const hub = await openTaskHub({ name: "notes", registry, codec });
 */
export function newAesGcmCodec({ keys, current, acceptPlain = false }: AesGcmCodecOptions): PayloadCodec {
  if (keys[current] === undefined) throw new InvalidArgumentError(`the current key '${current}' is not among the keys`);
  for (const id of Object.keys(keys)) {
    if (id === "" || id.includes(":")) throw new InvalidArgumentError(`'${id}' cannot name a key: leave out colons`);
  }
  const imported = new Map<string, Promise<CryptoKey>>();
  const keyOf = (id: string): Promise<CryptoKey> => {
    const raw = keys[id];
    if (raw === undefined)
      return Promise.reject(new InvalidArgumentError(`there is no key '${id}': give the codec the old keys too`));
    const known =
      imported.get(id) ?? crypto.subtle.importKey("raw", raw.slice(), "AES-GCM", false, ["encrypt", "decrypt"]);
    imported.set(id, known);
    return known;
  };
  const paramsOf = (id: string, iv: Uint8Array<ArrayBuffer>) => ({
    name: "AES-GCM" as const,
    iv,
    additionalData: new TextEncoder().encode(PREFIX + id),
  });
  return {
    async encode(text) {
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const key = await keyOf(current);
      const sealed = await crypto.subtle.encrypt(paramsOf(current, iv), key, new TextEncoder().encode(text));
      const bytes = new Uint8Array(IV_BYTES + sealed.byteLength);
      bytes.set(iv);
      bytes.set(new Uint8Array(sealed), IV_BYTES);
      return `${PREFIX}${current}:${toBase64(bytes)}`;
    },
    async decode(text) {
      if (!text.startsWith(PREFIX)) {
        if (acceptPlain) return text;
        throw new InvalidArgumentError(
          "the stored text is not encrypted: set acceptPlain to read what was stored before",
        );
      }
      const colon = text.indexOf(":", PREFIX.length);
      const id = text.slice(PREFIX.length, colon);
      const bytes = fromBase64(text.slice(colon + 1));
      const params = paramsOf(id, bytes.slice(0, IV_BYTES));
      const opened = await crypto.subtle.decrypt(params, await keyOf(id), bytes.slice(IV_BYTES));
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(opened);
    },
  };
}
