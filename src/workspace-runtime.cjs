#!/usr/bin/env node
// The installed command. CommonJS, since a Node that is too old cannot read main.ts, not even far enough to say so.
require("../scripts/check-node.cjs");
import("./main.ts");
