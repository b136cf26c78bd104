/** The fields of T that may be given, without `undefined` as a value. */
export type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** A copy of the fields without those that are undefined, so that they stay unset in a message made of them. */
export function defined<T extends object>(fields: T): Defined<T> {
  const result: Partial<Defined<T>> = {};
  for (const key of Object.keys(fields) as (keyof T)[]) {
    const value = fields[key];
    if (value !== undefined) result[key] = value as Exclude<T[keyof T], undefined>;
  }
  return result as Defined<T>;
}
