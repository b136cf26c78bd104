/** In browsers a `MessageChannel` hop is a macrotask of a few microseconds, in pages and workers alike. */
export { messageChannelSettle as browserSettle } from "../../core/orchestration/settle.ts";
