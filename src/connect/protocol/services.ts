import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { TaskHubSidecarService as MicrosoftService } from "../../core/protocol/gen/microsoft/orchestrator_service_pb.ts";
import { TaskHubSidecarService as PerduraService } from "../../core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";

/** The full name of the service in both dialects: every path is `/TaskHubSidecarService/<Method>`. */
const SERVICE_NAME = "TaskHubSidecarService";

/** The service as Dapr's dialect has it, with Perdura's own fields beside. Our own client and worker speak it too. */
export const daprService: typeof PerduraService = servedAs(PerduraService, SERVICE_NAME);

/** The service as Microsoft's dialect has it. */
export const microsoftService: typeof MicrosoftService = servedAs(MicrosoftService, SERVICE_NAME);

/**
 * Says whether a path (or a full gRPC method name) is one of the executor protocol's, below any prefix: the test that a
 * server with other routes makes first.
 *
 * @example isDurableTaskRequest("/TaskHubSidecarService/Hello") // true
 */
export function isDurableTaskRequest(path: string): boolean {
  return /(^|\/)TaskHubSidecarService\//.test(path);
}

/**
 * The same service under another name. In our schema each dialect has a package of its own, since their messages would clash;
 * on the wire both have none, and of all names only the service's travels, in the path.
 */
function servedAs<S extends DescService>(service: S, typeName: string): S {
  const renamed = { ...service, typeName } as S & { methods: DescMethod[]; method: Record<string, DescMethod> };
  renamed.methods = service.methods.map((method) => ({ ...method, parent: renamed }));
  renamed.method = Object.fromEntries(renamed.methods.map((method) => [method.localName, method]));
  return renamed;
}
