import foreign from "@dapr/durabletask-js/proto/orchestrator_service_pb.js";
import { daprBytesSuite } from "./support/dapr-bytes-suite.ts";

daprBytesSuite("@dapr/durabletask-js", foreign);
