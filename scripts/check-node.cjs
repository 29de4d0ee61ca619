// CommonJS without types, so that any old Node can read it and say one clear line instead of a stack trace about ".ts".
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `workspace-runtime needs Node 22.18 or newer, this is ${process.version}. ` +
      "`npm ci` puts a Node 24 into node_modules/.bin, which npm's scripts use: run it, or put that folder first on PATH.\n",
  );
  process.exit(1);
}
