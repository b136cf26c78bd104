/** What of the executor protocol needs Node. */
export { type GatewayOptions, openGateway, type RunningGateway } from "./gateway.ts";
export { listenGrpc } from "./grpc-server.ts";
export type { HttpListener } from "./http-listener.ts";
export { type ServedTaskHub, type ServeOptions, serve } from "./serve.ts";
