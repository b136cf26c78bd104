/** How large a message of the protocol may be, in bytes, unless a server is told otherwise: an answer may hold a thousand actions. */
export const MAX_MESSAGE_BYTES: number = 32 * 1024 * 1024;
