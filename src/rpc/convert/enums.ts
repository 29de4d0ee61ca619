/** A generated enum's constants: names without prefix, the zero is UNSPECIFIED. */
type EnumValues = Readonly<Record<string, number>>;
type NameOf<V extends EnumValues> = Exclude<keyof V, "UNSPECIFIED"> & string;

/** From a value on the wire to the domain's word; undefined for UNSPECIFIED. */
export function enumReader<const V extends EnumValues>(
  values: V,
): (value: number) => NameOf<V> | undefined {
  const names = new Map<number, NameOf<V>>();
  for (const [name, value] of Object.entries(values)) {
    if (value !== 0) names.set(value, name as NameOf<V>);
  }
  return (value) => names.get(value);
}

/** Several, as filters have them; UNSPECIFIED ones say nothing. */
export function enumListReader<const V extends EnumValues>(
  values: V,
): (list: readonly number[]) => NameOf<V>[] {
  const read = enumReader(values);
  return (list) => list.map(read).filter((name) => name !== undefined);
}
