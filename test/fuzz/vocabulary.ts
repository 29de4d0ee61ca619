import type { DescMessage, Message } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";

/** The words that random requests are made of: some that exist here, some that cannot, all of them harmless. */
export interface Vocabulary {
  /** A value for a text field, by the field's name. */
  text(field: string): fc.Arbitrary<string>;
  /** Keeps ids, cursors and paths of an answer, so that later requests speak of things that exist. */
  learn(desc: DescMessage, message: Message): void;
}

/** No line here does more than print, wait and end, whatever becomes of the words around it. */
const COMMANDS = [
  "",
  "true",
  "exit 3",
  "sleep 20",
  "echo hello; sleep 5",
  "echo boom >&2; exit 1",
  "trap '' TERM; sleep 3",
  "seq 1 2000; sleep 1",
  "printf 'no newline'; exec sleep 9",
  "sleep 3 & sleep 4",
  "(",
  "{{port}}",
  "echo {{issue.title}}",
  "no-such-program-here",
];
const ARGUMENTS = ["true", "sleep", "1", "", "--", "-x", "{{workspace.cwd}}", "\u{1F680}"];
const NASTY = [
  "",
  " ",
  "\0",
  "-rf",
  "--",
  "..",
  "a\nb",
  "\u202Eright to left",
  "Ωμέγα",
  "{{port}}",
  "{{workspace.env}}",
  "{{nothing",
  "${HOME}",
  "`x`",
  "'\"",
  "constructor",
  "__proto__",
  "x".repeat(201),
  "y".repeat(70_000),
  "\u{1F9EA}".repeat(50),
];
const URLS = [
  "",
  "http://127.0.0.1:{{port}}/",
  "http://localhost:{{port}}/{{issue.id}}",
  "http://127.0.0.1:{{ports.extra}}/",
  "ftp://127.0.0.1",
  "not a url",
  "http://[::1",
];
const KEPT_WORDS = 64;

/** `paths`: directories that may be worked in, and others beside them. */
export function createVocabulary(paths: readonly string[]): Vocabulary {
  const known = new Map<string, string[]>();
  const plain = fc.string({ unit: "binary", maxLength: 30 });
  const words = fc.oneof(
    fc.constantFrom("web", "api", "db", "company", "run-1", "run-2", "agent", "PAP-1"),
    { arbitrary: fc.constantFrom(...NASTY), weight: 1 },
    plain,
  );
  const wordsOf = (kind: string) => {
    const list = known.get(kind) ?? [];
    known.set(kind, list);
    return list;
  };
  const learned = (kind: string) =>
    fc.nat().map((index) => {
      const list = wordsOf(kind);
      return list.length === 0 ? "unknown" : (list[index % list.length] as string);
    });

  return {
    text(field) {
      if (/command$/.test(field)) return fc.constantFrom(...COMMANDS);
      if (field === "args") return fc.constantFrom(...ARGUMENTS);
      if (/cwd$|path$|dir$|files$|inputs$|root$/.test(field)) {
        return fc.oneof(
          {
            arbitrary: fc.constantFrom(...paths, ".", "sub", "../..", "/nonexistent/x"),
            weight: 6,
          },
          { arbitrary: words, weight: 1 },
        );
      }
      if (/url/.test(field)) return fc.oneof(fc.constantFrom(...URLS), words);
      const kind = kindOf(field);
      if (kind === undefined) return words;
      return fc.oneof({ arbitrary: learned(kind), weight: 4 }, { arbitrary: words, weight: 1 });
    },
    learn(desc, message) {
      walk(desc, message, (field, text) => {
        const kind = kindOf(field);
        if (kind === undefined || text === "") return;
        const list = wordsOf(kind);
        if (list.includes(text)) return;
        list.push(text);
        if (list.length > KEPT_WORDS) list.shift();
      });
    },
  };
}

/** `workspace_ids` speaks of the same things as `workspace_id`; every cursor is worth trying as any other. */
function kindOf(field: string): string | undefined {
  if (/cursor|page_token/.test(field)) return "cursor";
  if (/rescue_ref|_ref$/.test(field)) return "ref";
  return /^(.*_id)s?$/.exec(field)?.[1];
}

function walk(
  desc: DescMessage,
  message: Message,
  visit: (field: string, text: string) => void,
): void {
  const view = reflect(desc, message);
  for (const field of desc.fields) {
    if (!view.isSet(field)) continue;
    const value: unknown = view.get(field);
    if (field.fieldKind === "scalar" && typeof value === "string") visit(field.name, value);
    if (field.fieldKind === "message") inner(field.message, value, visit);
    if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of value as Iterable<unknown>) inner(field.message, item, visit);
    }
  }
}

function inner(desc: DescMessage, value: unknown, visit: Parameters<typeof walk>[2]): void {
  const message = (value as { readonly message?: Message } | undefined)?.message;
  if (message !== undefined && isMessage(message, desc)) walk(desc, message, visit);
}
