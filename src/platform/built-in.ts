/** Node's built-in modules, loaded when they are first needed: an import would load them with the package. */

interface BuiltIns {
  "node:buffer": typeof import("node:buffer");
  "node:crypto": typeof import("node:crypto");
  "node:diagnostics_channel": typeof import("node:diagnostics_channel");
  "node:module": typeof import("node:module");
  "node:stream": typeof import("node:stream");
  "node:url": typeof import("node:url");
  "node:worker_threads": typeof import("node:worker_threads");
  "node:zlib": typeof import("node:zlib");
}

export function builtIn<Name extends keyof BuiltIns>(name: Name): BuiltIns[Name] {
  return process.getBuiltinModule(name);
}
