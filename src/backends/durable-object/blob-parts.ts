import { StorageError } from "../../core/errors.ts";

/** A value above this is split over several rows, in bytes. */
const MAX_PART_BYTES: number = 1024 * 1024;

/** Durable Objects take no row above this, in bytes; workerd on a developer's machine does not say so. */
const MAX_ROW_BYTES: number = 2 * 1024 * 1024;

/** Room for a row's other columns, in bytes. */
const ROW_OVERHEAD_BYTES: number = 16 * 1024;

/** The pieces of a value, at least one, each as the exact buffer that SQL binds. @throws {@link StorageError}. */
export function partsOf(bytes: Uint8Array): ArrayBuffer[] {
  const parts: ArrayBuffer[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += MAX_PART_BYTES) {
    parts.push(bufferOf(bytes.subarray(from, from + MAX_PART_BYTES)));
  }
  return parts;
}

/** Puts pieces together again. */
export function joinParts(parts: readonly ArrayBuffer[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return new Uint8Array(first);
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return whole;
}

/** A view's own bytes: binding a view of a larger buffer would store the whole of it. */
function bufferOf(view: Uint8Array): ArrayBuffer {
  checkRow(view.byteLength);
  return view.slice().buffer as ArrayBuffer;
}

/** @throws {@link StorageError} for a row that the platform would refuse. */
function checkRow(bytes: number): void {
  if (bytes + ROW_OVERHEAD_BYTES > MAX_ROW_BYTES) {
    throw new StorageError(`a row of ${bytes} bytes is above the platform's limit of ${MAX_ROW_BYTES}`);
  }
}
