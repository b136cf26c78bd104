import { HttpError } from "../http-error.ts";

/**
 * Checks a body against its `Content-Digest` header (RFC 9530), of which SHA-256 is the algorithm asked for here.
 *
 * @returns the hash, in lower-case hex.
 * @throws {@link HttpError} 400 without such a header, 422 when the body is another.
 */
export async function checkContentDigest(request: Request, body: Uint8Array<ArrayBuffer>): Promise<string> {
  const header = request.headers.get("content-digest") ?? "";
  const [, announced] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)/i.exec(header) ?? [];
  if (announced === undefined) {
    throw new HttpError(
      400,
      "invalid_argument",
      "say what the chunk's hash is: `Content-Digest: sha-256=:<base64 of the SHA-256>:`",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  if (btoa(String.fromCharCode(...digest)) !== announced) {
    throw new HttpError(422, "digest_mismatch", "the body is not what its Content-Digest says: send it again");
  }
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
