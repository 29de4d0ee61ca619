import type { Compilable, CompiledQuery } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Db } from "./schema.ts";

/** Where a query runs, and how its text must be. */
export interface QueryPlace {
  readonly db: Db;
  readonly dialect: Dialect;
}

/** A query with places for its values. */
export interface PreparedQuery<Values, Row> {
  compile(place: QueryPlace, values: Values): CompiledQuery<Row>;
  run(place: QueryPlace, values: Values): Promise<Row[]>;
}

/**
 * Builds and compiles a query once for each dialect: for a small one that costs several times what the
 * database does. `build` must not look at the values that it is given: they stand for those to come.
 */
export function prepareQuery<Values extends Readonly<Record<string, string | number>>, Row>(
  names: readonly (keyof Values & string)[],
  build: (place: QueryPlace, values: Values) => Compilable<Row>,
): PreparedQuery<Values, Row> {
  const built = new WeakMap<Dialect, Built<Row>>();
  const placeholders = names.map((name) => ({ name }));

  const buildOnce = (place: QueryPlace): Built<Row> => {
    const values = Object.fromEntries(placeholders.map((holder) => [holder.name, holder]));
    const query = build(place, values as unknown as Values).compile();
    const order = query.parameters.map(
      (parameter) => placeholders.find((holder) => holder === parameter)?.name,
    );
    const once = { query, order };
    built.set(place.dialect, once);
    return once;
  };
  const compile = (place: QueryPlace, values: Values): CompiledQuery<Row> => {
    const { query, order } = built.get(place.dialect) ?? buildOnce(place);
    const parameters = query.parameters.map((parameter, index) => {
      const name = order[index];
      return name === undefined ? parameter : values[name];
    });
    return { ...query, parameters };
  };
  return {
    compile,
    run: async (place, values) => (await place.db.executeQuery(compile(place, values))).rows,
  };
}

interface Built<Row> {
  readonly query: CompiledQuery<Row>;
  /** Which value each parameter is; undefined for one that stands in the query itself. */
  readonly order: readonly (string | undefined)[];
}
