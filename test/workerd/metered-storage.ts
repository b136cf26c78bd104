/** Counts what an object writes: rows by SQL, alarms set, and transactions. */
export interface Meter {
  rows: number;
  alarms: number;
  transactions: number;
  /** The statements that wrote, with the rows of each. */
  readonly statements: Map<string, number>;
}

/** An object's storage that counts on the way. */
export function metered(storage: DurableObjectStorage): {
  readonly storage: DurableObjectStorage;
  readonly meter: Meter;
} {
  const meter: Meter = { rows: 0, alarms: 0, transactions: 0, statements: new Map() };
  const sql = new Proxy(storage.sql, {
    get(target, key): unknown {
      if (key !== "exec") return Reflect.get(target, key);
      return (query: string, ...bindings: unknown[]) => {
        const cursor = target.exec(query, ...bindings);
        const before = cursor.rowsWritten;
        meter.rows += before;
        if (before > 0) {
          const verb = query.trim().split(/\s+/).slice(0, 3).join(" ");
          meter.statements.set(verb, (meter.statements.get(verb) ?? 0) + before);
        }
        return cursor;
      };
    },
  });
  const proxy = new Proxy(storage, {
    get(target, key): unknown {
      if (key === "sql") return sql;
      if (key === "setAlarm") {
        return (at: number) => {
          meter.alarms++;
          return target.setAlarm(at);
        };
      }
      if (key === "transactionSync") {
        return <T>(run: () => T): T => {
          meter.transactions++;
          return target.transactionSync(run);
        };
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value as (...parts: unknown[]) => unknown).bind(target) : value;
    },
  });
  return { storage: proxy, meter };
}
