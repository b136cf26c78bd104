import { microsoftManagementSuite } from "./support/microsoft-management-suite.ts";
import { serveWorkerThroughGateway } from "./support/worker-upstream.ts";

microsoftManagementSuite("a gateway before the Worker", serveWorkerThroughGateway);
