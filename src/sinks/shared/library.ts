/** Who sends: in `ai_lib`, `ai_lib_version` and the envelope's `library`. A test keeps the version equal to package.json. */
export const LIBRARY_NAME = "llm-tap";
export const LIBRARY_VERSION = "0.1.0";
