import { DaprWorkflowClient, type WorkflowContext, WorkflowRuntime, type WorkflowState } from "@dapr/dapr";
import type {
  ForeignClient,
  ForeignContext,
  ForeignSdk,
  ForeignState,
  ForeignTask,
  ForeignWorker,
} from "./foreign-sdk.ts";

/** `@dapr/dapr` 3.18.0, with a copy of the Durable Task SDK of its own. It writes every step to the console: see `quiet.ts`. */
export const daprWorkflowSdk: ForeignSdk = {
  name: "@dapr/dapr",
  dialect: "auto",
  childId: (instanceId) => instanceId,
  whenAll: (tasks) => anyContext().whenAll(tasks as never),
  whenAny: (tasks) => anyContext().whenAny(tasks as never),
  worker: newWorker,
  client: newClient,
};

/** Of this SDK's, only a context joins tasks; any does. */
let latest: WorkflowContext | undefined;

function anyContext(): WorkflowContext {
  if (latest === undefined) throw new Error("no workflow has run yet");
  return latest;
}

function optionsFor(address: string): { daprHost: string; daprPort: string } {
  const [daprHost = "", daprPort = ""] = address.split(":");
  return { daprHost, daprPort };
}

function newWorker(address: string): ForeignWorker {
  const runtime = new WorkflowRuntime(optionsFor(address));
  return {
    orchestrator: (name, fn) =>
      void runtime.registerWorkflowWithName(name, ((ctx: WorkflowContext, input: never) => {
        latest = ctx;
        return fn(contextOf(ctx), input);
      }) as never),
    activity: (name, fn) => void runtime.registerActivityWithName(name, fn as never),
    start: () => runtime.start(),
    stop: () => runtime.stop(),
  };
}

function contextOf(ctx: WorkflowContext): ForeignContext {
  return {
    instanceId: ctx.getWorkflowInstanceId(),
    get isReplaying() {
      return ctx.isReplaying();
    },
    callActivity: (name, input): ForeignTask => ctx.callActivity(name, input as never),
    callSubOrchestrator: (name, input, id): ForeignTask =>
      ctx.callChildWorkflow(name, input as never, id as string | undefined),
    createTimer: (seconds) => ctx.createTimer(seconds),
    waitForExternalEvent: (name) => ctx.waitForExternalEvent(name),
    continueAsNew: (input, saveEvents) => ctx.continueAsNew(input, saveEvents),
    setCustomStatus: (status) => ctx.setCustomStatus(status),
  };
}

function newClient(address: string): ForeignClient {
  const client = new DaprWorkflowClient(optionsFor(address));
  return {
    start: (name, input, instanceId, startAt) => client.scheduleNewWorkflow(name, input, instanceId, startAt),
    state: async (id) => stateOf(await client.getWorkflowState(id, true)),
    started: async (id) => stateOf(await client.waitForWorkflowStart(id, true, 20)),
    completed: async (id, timeout = 30) => {
      const state = stateOf(await client.waitForWorkflowCompletion(id, true, timeout));
      if (state === undefined) throw new Error(`there is no instance '${id}'`);
      return state;
    },
    raise: (id, name, data) => client.raiseEvent(id, name, data),
    terminate: (id, output) => client.terminateWorkflow(id, output),
    suspend: (id) => client.suspendWorkflow(id),
    resume: (id) => client.resumeWorkflow(id),
    purge: async (id) => ((await client.purgeWorkflow(id)) ? 1 : 0),
    stop: () => client.stop(),
  };
}

function stateOf(state: WorkflowState | undefined): ForeignState | undefined {
  return (
    state && {
      // Its numbers are the protocol's.
      status: state.runtimeStatus,
      input: state.serializedInput,
      output: state.serializedOutput,
      customStatus: state.customStatus,
      failure: state.workflowFailureDetails?.getErrorMessage(),
    }
  );
}
