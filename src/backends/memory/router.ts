import { UnsupportedError } from "../../core/errors.ts";
import type { DeliveryOutcome, Router } from "../../core/partition/ports.ts";

/** Everything lives in the one partition, so that no message ever leaves it. */
export class LocalRouter implements Router {
  isLocal(): boolean {
    return true;
  }

  deliver(targetInstanceId: string): Promise<readonly DeliveryOutcome[]> {
    return Promise.reject(new UnsupportedError(`'${targetInstanceId}' is not in another partition: there is only one`));
  }
}
