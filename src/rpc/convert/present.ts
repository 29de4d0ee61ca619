/** A record without the properties that are undefined: "absent" has one form in the domain. */
export function present<T extends object>(record: T): Present<T> {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as Present<T>;
}

export type Present<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The wire has no absent text, list, map, number or flag: their zero stands for it. */
export function orAbsent<T extends string | number | boolean>(value: T): T | undefined {
  return value === "" || value === 0 || value === false ? undefined : value;
}

export function listOrAbsent<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

export function mapOrAbsent<V>(map: Readonly<Record<string, V>>): Record<string, V> | undefined {
  return Object.keys(map).length === 0 ? undefined : { ...map };
}
