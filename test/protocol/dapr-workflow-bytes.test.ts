import foreign from "@dapr/dapr/workflow/internal/durabletask/proto/orchestrator_service_pb.js";
import { daprBytesSuite } from "./support/dapr-bytes-suite.ts";

// It has a copy of the SDK of its own. Both register their messages under the same names: no process can have both.
daprBytesSuite("@dapr/dapr", foreign);
