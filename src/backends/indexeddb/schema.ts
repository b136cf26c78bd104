/**
 * The object stores of a hub's database. Migrations only ever add: a store that holds unfinished work is never rewritten in
 * place and never deleted.
 */
import type { DBSchema, IDBPDatabase } from "idb";
import type { InstanceRow } from "../../core/partition/ports.ts";

/** The one record of the hub itself, read inside every commit. */
export interface HubRecord {
  /** Made with the database: a database that comes back with another one is not the same. */
  readonly databaseId: string;
  /** The latest owner's; only ever rises. */
  readonly epoch: number;
  /** The hub was created and not deleted since. */
  readonly exists: boolean;
}

/** What lists and deadlines need of an instance; written only when one of these fields changes. */
export interface ListingRecord {
  readonly instanceId: string;
  /** Present only where the instance shows in lists: purged ones do not. */
  readonly createdAtMs?: number;
  readonly status?: string;
  readonly name?: string;
  readonly completedAtMs?: number;
  /** Present, and 1, only while work is left. */
  readonly unfinished?: 1;
  readonly wakeAt?: number;
}

/** A waiting event. */
export interface InboxRecord {
  readonly seq?: number;
  readonly instanceId: string;
  /** The empty text for none. */
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** A kept blob. */
export interface BlobRecord {
  readonly content: Blob;
  readonly keptAtMs: number;
}

/** The database, as the package `idb` types it. */
export interface HubSchema extends DBSchema {
  /** Small facts: `hub` ({@link HubRecord}), `runner`, `lease`, `steal`. */
  meta: { key: string; value: unknown };
  instances: { key: string; value: InstanceRow };
  listing: {
    key: string;
    value: ListingRecord;
    indexes: {
      created: [number, string];
      status: [string, number, string];
      name: [string, number, string];
      unfinished: number;
      wakeAt: number;
    };
  };
  /** One value per commit: a segment of the history, by `[instanceId, segment]`. */
  history: { key: [string, number]; value: Uint8Array };
  /** Numbered by the database, so that places rise for as long as it lives, whatever clocks do. */
  inbox: { key: number; value: InboxRecord; indexes: { box: [string, string] } };
  /** By `[instanceId, seq]`. */
  outbox: { key: [string, number]; value: Uint8Array };
  /** By `[instanceId, blobId]`. */
  blobs: { key: [string, string]; value: BlobRecord };
}

/** Brings a database from one version to the next, within the upgrade's transaction. */
export type Migration = (database: IDBPDatabase<HubSchema>) => void;

/** The n-th leads to version n + 1. */
export const MIGRATIONS: readonly Migration[] = [
  (database) => {
    database.createObjectStore("meta");
    database.createObjectStore("instances", { keyPath: "instanceId" });
    const listing = database.createObjectStore("listing", { keyPath: "instanceId" });
    listing.createIndex("created", ["createdAtMs", "instanceId"]);
    listing.createIndex("status", ["status", "createdAtMs", "instanceId"]);
    listing.createIndex("name", ["name", "createdAtMs", "instanceId"]);
    listing.createIndex("unfinished", "unfinished");
    listing.createIndex("wakeAt", "wakeAt");
    database.createObjectStore("history");
    const inbox = database.createObjectStore("inbox", { keyPath: "seq", autoIncrement: true });
    inbox.createIndex("box", ["instanceId", "key"]);
    database.createObjectStore("outbox");
  },
  (database) => {
    database.createObjectStore("blobs");
  },
];

/** The name of a hub's database. */
export function databaseName(hub: string): string {
  return `perdura:${hub}`;
}

/** All keys that begin with the instance's id: `[id]` sorts before `[id, anything]`, and an array after every other value. */
export function keysOf(instanceId: string): IDBKeyRange {
  return IDBKeyRange.bound([instanceId], [instanceId, []]);
}
