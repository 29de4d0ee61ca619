/** Builds `dist/workspace-runtime-client-<version>.tgz`, the published client: `npm run pack:client [-- DIRECTORY]`. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const README = `# @workspace-runtime/client

The client of workspace-runtime: every method of the API with its types, over gRPC.

\`\`\`ts
import { createClient, followLogs, splitLines } from "@workspace-runtime/client";

const client = createClient(); // finds address and token of the server of this user
const { services } = await client.listServices({});
const source = { case: "serviceId", value: services[0].serviceId };
for await (const { text } of splitLines(followLogs(client, { source }))) console.log(text);
\`\`\`

- \`createClient({ address, socket, token, dataDir })\`: what is left out comes from \`WORKSPACE_RUNTIME_ADDRESS\`
  and \`WORKSPACE_RUNTIME_TOKEN\`, else from the data directory of the running server.
- \`followLogs\` and \`watchStatus\` resume by cursor over lost connections and restarts of the server: everything
  once, in order.
- \`prepareRun\` realizes a run's workspace and ensures its services in one call, tells what happens meanwhile, and calls
  again while the server is away.
- \`splitLines\` makes lines of a log's chunks; \`errorDetails\` reads what a failed call says.
- \`convertConfig\` makes a strategy and service specs of the JSON of a \`workspace-runtime.json\`;
  \`toRuntimeServiceRef\` writes a service as \`RUNTIME_SERVICES_JSON\` has it.
- Unary calls have deadlines by method, and are tried again while the server is away where that is safe:
  \`timeoutMs\` and \`maxAttempts\` of the client, \`timeoutMs\` of a call.
- \`import { createGrpcClient } from "@workspace-runtime/client/grpc"\` is the same client on \`@grpc/grpc-js\`, which has to
  be installed beside it.

Node 22 or newer. Licence: MIT.
`;

const destination = resolve(process.argv[2] ?? join(ROOT, "dist"));
const stage = mkdtempSync(join(tmpdir(), "pack-client-"));
try {
  compile(stage);
  cpSync(join(ROOT, "LICENSE"), join(stage, "LICENSE"));
  writeFileSync(join(stage, "README.md"), README);
  writeFileSync(join(stage, "package.json"), JSON.stringify(manifest(), undefined, 2));
  mkdirSync(destination, { recursive: true });
  const packed = run("npm", ["pack", "--silent", "--pack-destination", destination], stage);
  console.log(join(destination, packed.trim()));
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** The client and what it imports of the generated code, as JavaScript with types. */
function compile(outDir: string): void {
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      rootDir: ROOT,
      outDir,
      target: "es2022",
      typeRoots: [join(ROOT, "node_modules/@types")],
    },
    include: [],
    files: ["index.ts", "grpc/index.ts"].map((entry) => join(ROOT, "src/client", entry)),
  };
  const file = join(outDir, "tsconfig.json");
  writeFileSync(file, JSON.stringify(config));
  run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "--project", file], ROOT);
  rmSync(file);
  // The compiler rewrites the imports of the JavaScript alone.
  for (const name of globSync("**/*.d.ts", { cwd: outDir })) {
    const declarations = join(outDir, name);
    const text = readFileSync(declarations, "utf8");
    writeFileSync(declarations, text.replace(/(?<=(?:from |import\()"\.[^"]*)\.ts(?=")/g, ".js"));
  }
}

function manifest(): object {
  const own = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const entry = (path: string) => ({ types: `${path}.d.ts`, default: `${path}.js` });
  return {
    name: "@workspace-runtime/client",
    version: own.version,
    description: "Client of workspace-runtime: worktrees, services, logs and status for agents",
    license: own.license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=22" },
    exports: {
      ".": entry("./src/client/index"),
      "./grpc": entry("./src/client/grpc/index"),
      "./package.json": "./package.json",
    },
    dependencies: Object.fromEntries(
      ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"].map((name) => [
        name,
        own.dependencies[name],
      ]),
    ),
    // Only the grpc entry loads it.
    peerDependencies: { "@grpc/grpc-js": own.dependencies["@grpc/grpc-js"] },
    peerDependenciesMeta: { "@grpc/grpc-js": { optional: true } },
  };
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} failed:\n${stdout}${stderr}`);
  }
}
