import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Generated descriptors, found as reflection asks for them. */
export interface DescriptorIndex {
  fileByName(name: string): DescFile | undefined;
  /** A service, method, message, field, oneof, enum, enum value or extension by its full name. */
  fileBySymbol(symbol: string): DescFile | undefined;
  fileByExtension(message: string, number: number): DescFile | undefined;
  /** Undefined for a message that is not known. */
  extensionNumbers(message: string): number[] | undefined;
  readonly serviceNames: readonly string[];
}

/** Over the files of `services`, the `extra` files and everything that they import. */
export function createDescriptorIndex(
  services: readonly DescService[],
  extra: readonly DescFile[] = [],
): DescriptorIndex {
  const files = new Map<string, DescFile>();
  for (const file of [...services.map((service) => service.file), ...extra]) {
    for (const one of withImports(file)) files.set(one.proto.name, one);
  }
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of files.values()) {
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      for (const member of membersOf(type)) symbols.set(member, file);
      if (type.kind === "message" && !extensions.has(type.typeName)) {
        extensions.set(type.typeName, new Map());
      }
      if (type.kind === "extension") {
        const known = extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(type.extendee.typeName, known.set(type.number, file));
      }
    }
  }
  return {
    fileByName: (name) => files.get(name),
    fileBySymbol: (symbol) => symbols.get(symbol),
    fileByExtension: (message, number) => extensions.get(message)?.get(number),
    extensionNumbers: (message) => {
      const known = extensions.get(message);
      return known && [...known.keys()];
    },
    serviceNames: services.map((service) => service.typeName),
  };
}

/** The file first, then what it imports, directly or not; each once. */
export function withImports(file: DescFile): DescFile[] {
  const found = new Set<DescFile>([file]);
  for (const one of found) for (const imported of one.dependencies) found.add(imported);
  return [...found];
}

export function encodeFile(file: DescFile): Uint8Array {
  return toBinary(FileDescriptorProtoSchema, file.proto);
}

function membersOf(type: ReturnType<typeof nestedTypes> extends Iterable<infer T> ? T : never) {
  switch (type.kind) {
    case "message":
      return [...type.fields, ...type.oneofs].map((member) => `${type.typeName}.${member.name}`);
    case "service":
      return type.methods.map((method) => `${type.typeName}.${method.name}`);
    case "enum": {
      // Enum values are siblings of their enum.
      const scope = type.typeName.slice(0, type.typeName.lastIndexOf(".") + 1);
      return type.values.map((value) => scope + value.name);
    }
    default:
      return [];
  }
}
