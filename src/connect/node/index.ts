/** What of the executor protocol needs Node. */
export { type GrpcServer, listenGrpc } from "./grpc-server.ts";
export { type ServedTaskHub, type ServeOptions, serve } from "./serve.ts";
