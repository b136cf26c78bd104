import type { Transport } from "@connectrpc/connect";
import { newTaskHubClient, type TaskHubClient, type TaskHubClientOptions } from "../../core/hub/task-hub-client.ts";
import { RemoteControl } from "./remote-control.ts";

/**
 * A client of a hub anywhere: the same as of one in this process, over any Connect transport.
 *
 * @example
 * const transport = createConnectTransport({ baseUrl: "https://hub.example.com", useBinaryFormat: true });
 * const client = createConnectTaskHubClient(transport);
 * const id = await client.scheduleNewOrchestration("checkout", order);
 */
export function createConnectTaskHubClient(transport: Transport, options: TaskHubClientOptions = {}): TaskHubClient {
  return newTaskHubClient(new RemoteControl(transport), options);
}
