import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RuntimeError } from "../../src/errors.ts";
import { renderTemplate, templateNames } from "../../src/templates/render.ts";

const render = (text: string, variables = {}) => renderTemplate(text, variables, "some.field");

describe("renderTemplate", () => {
  it("replaces names, blanks around them allowed", () => {
    expect(render("{{a}}-{{ b.c }}", { a: "x", b: { c: "y" } })).toBe("x-y");
  });

  it("writes numbers and booleans by their usual text", () => {
    expect(render("{{port}} {{ok}}", { port: 3000, ok: false })).toBe("3000 false");
  });

  it("renders a known but empty variable as nothing", () => {
    expect(render("[{{a}}{{b}}{{c}}]", { a: "", b: undefined, c: null })).toBe("[]");
  });

  it.each(["\u0024{x}", "{x}", "{{}}", "{{ a b }}", "{{a", "a}}", "{{$a}}"])(
    "leaves %j alone",
    (text) => {
      expect(render(text, { a: 1 })).toBe(text);
    },
  );

  it("does not render what a value holds", () => {
    expect(render("{{a}}", { a: "{{b}} $& $1" })).toBe("{{b}} $& $1");
  });

  it.each([
    "porrt",
    "ports.web",
    "port.x",
    "a.constructor",
    "__proto__",
    "a.__proto__",
    "toString",
    "list.length",
    ".",
  ])("refuses the unknown name %j with the field's path", (name) => {
    const variables = { port: 1, ports: {}, a: { b: "c" }, list: ["x"] as never };
    const error = refusal(() => render(`{{${name}}}`, variables));
    expect(error.reason).toBe("INVALID_TEMPLATE");
    expect(error.violations).toEqual([
      { field: "some.field", description: `unknown variable "${name}"` },
    ]);
  });

  it("refuses a group of variables", () => {
    expect(refusal(() => render("{{a}}", { a: { b: "c" } })).reason).toBe("INVALID_TEMPLATE");
    expect(refusal(() => render("{{a}}", { a: new Map() })).reason).toBe("INVALID_TEMPLATE");
  });

  it("takes a missing key of an open map as empty", () => {
    const env = new Map([["KEY", "v"]]);
    expect(render("{{env.KEY}}|{{env.OTHER}}", { env })).toBe("v|");
    expect(refusal(() => render("{{env.KEY.more}}", { env })).reason).toBe("INVALID_TEMPLATE");
  });

  it("gives back any text without braces", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes("{{"));
        expect(render(text)).toBe(text);
      }),
    );
  });
});

describe("templateNames", () => {
  it("lists each name once, in order", () => {
    expect(templateNames("{{b}} {{ a.x }} {{b}} {{}} \u0024{c}")).toEqual(["b", "a.x"]);
  });
});

function refusal(act: () => unknown): RuntimeError {
  try {
    act();
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  throw new Error("not refused");
}
