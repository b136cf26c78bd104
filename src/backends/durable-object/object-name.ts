import { InvalidArgumentError } from "../../core/errors.ts";

/** Whom an object serves: one instance of one incarnation of a hub. */
export interface ObjectIdentity {
  readonly hub: string;
  /** Counts the hub's deletions: a deleted hub's objects are never addressed again. */
  readonly incarnation: number;
  readonly instanceId: string;
}

/** What a hub may be called. No slash, so that names joined with one cannot collide. */
const HUB_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws {@link InvalidArgumentError} for a name that is no hub's. */
export function checkHubName(hub: string): void {
  if (!HUB_NAME.test(hub)) {
    throw new InvalidArgumentError(`'${hub}' is no hub name: use 1 to 64 letters, digits, '_' and '-'`);
  }
}

/**
 * The object's name: hub, incarnation and instance id joined by slashes. The first two contain none, so that no two triples
 * give one name. The name is the tenant boundary.
 *
 * @throws {@link InvalidArgumentError} for a bad hub name.
 */
export function objectName({ hub, incarnation, instanceId }: ObjectIdentity): string {
  checkHubName(hub);
  return `${hub}/${incarnation}/${instanceId}`;
}

/** The parts of an object's name. @throws {@link InvalidArgumentError} when it is none. */
export function parseObjectName(name: string): ObjectIdentity {
  const [, hub, incarnation, instanceId] = /^([^/]+)\/(\d+)\/(.+)$/su.exec(name) ?? [];
  if (hub === undefined || incarnation === undefined || instanceId === undefined) {
    throw new InvalidArgumentError(
      `'${name}' is no object name of a task hub: address objects through taskHubClient()`,
    );
  }
  checkHubName(hub);
  return { hub, incarnation: Number(incarnation), instanceId };
}
