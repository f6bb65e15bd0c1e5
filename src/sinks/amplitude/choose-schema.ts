/** From the option `schema` to the function that makes events. */
import { agentSchema } from "./schema-agent.ts";
import { aiSchema } from "./schema-ai.ts";
import type { AmplitudeSchemaFunction, EventShape, Schema } from "./types.ts";

export type SchemaName = "ai" | "agent" | "both";

const SCHEMAS: Readonly<Record<SchemaName, Schema>> = {
  ai: aiSchema,
  agent: agentSchema,
  both: (record) => [...aiSchema(record), ...agentSchema(record)],
};

/** Nothing is known of the events of an app's own function: all of their strings are cut, none is content. */
const OWN_SHAPE: EventShape = { reserved: new Set(), content: new Set(), texts: new Map() };

export function isSchemaName(name: unknown): name is SchemaName {
  return typeof name === "string" && Object.hasOwn(SCHEMAS, name);
}

/** @param warn - told once when a function of the app's own throws or answers with something that is no event. */
export function chooseSchema(schema: SchemaName | AmplitudeSchemaFunction, warn: (message: string) => void): Schema {
  return typeof schema === "function" ? guardSchema(schema, warn) : SCHEMAS[schema];
}

function guardSchema(schema: AmplitudeSchemaFunction, warn: (message: string) => void): Schema {
  let hasWarned = false;
  function warnOnce(message: string): void {
    if (!hasWarned) warn(message);
    hasWarned = true;
  }

  return function ownSchema(record) {
    try {
      const made = schema(record);
      const events = made === undefined || made === null ? [] : Array.isArray(made) ? made : [made];
      const counts = new Map<string, number>();
      return events.flatMap((event) => {
        const { eventType, properties } = event;
        if (typeof eventType !== "string" || eventType === "") {
          warnOnce("the function given as `schema` made an event without an `eventType`; it is left out");
          return [];
        }
        const count = counts.get(eventType) ?? 0;
        counts.set(eventType, count + 1);
        return [
          {
            eventType,
            properties: typeof properties === "object" && properties !== null ? properties : {},
            shape: OWN_SHAPE,
            // Amplitude would drop the second event of a type as a repeat of the first.
            ...(count > 0 && { key: String(count) }),
          },
        ];
      });
    } catch (error) {
      warnOnce(`the function given as \`schema\` threw; its records make no events: ${String(error)}`);
      return [];
    }
  };
}
