import { UnsupportedError } from "../errors.ts";
import type { DeliveryOutcome, Router } from "./ports.ts";

/** For hosts where everything lives in the one partition, so that no message ever leaves it. */
export class LocalRouter implements Router {
  isLocal(): boolean {
    return true;
  }

  deliver(targetInstanceId: string): Promise<readonly DeliveryOutcome[]> {
    return Promise.reject(new UnsupportedError(`'${targetInstanceId}' is not in another partition: there is only one`));
  }
}
