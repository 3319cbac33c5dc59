import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import type { DetailsType } from "@/lib/oauth/details-type";

/** A payment: up to an amount, in a currency, to one account. */
export const PAYMENT: DetailsType = {
  type: "payment",
  words: "Pay up to {amount.value} {amount.currency} to {creditor}",
  risk: "high",
  schema: {
    type: "object",
    required: ["amount", "creditor"],
    properties: {
      amount: {
        type: "object",
        required: ["value", "currency"],
        properties: {
          value: {
            type: "number",
            title: "Amount",
            exclusiveMinimum: 0,
            maximum: 10_000,
            narrowing: "at_most",
          },
          currency: { type: "string", title: "Currency", enum: ["EUR", "USD"] },
        },
      },
      creditor: { type: "string", title: "Recipient", maxLength: 70 },
      reference: { type: "string", title: "Reference", maxLength: 140 },
      until: { type: "string", title: "Until", format: "date", narrowing: "at_most" },
      locations: { type: "array", items: { type: "string", format: "uri" } },
    },
  },
};

/** A tool of an MCP server, with limits for its arguments. */
export const MCP_TOOL: DetailsType = {
  type: "mcp_tool",
  words: "Use the tool {name}",
  risk: "medium",
  schema: {
    type: "object",
    required: ["name"],
    properties: {
      name: { type: "string", title: "Tool", enum: ["search", "read_file", "delete_file"] },
      arguments: {
        type: "object",
        properties: {
          max_rows: { type: "integer", title: "Most rows", minimum: 1, narrowing: "at_most" },
          folders: { type: "array", title: "Folders", items: { type: "string", maxLength: 200 } },
          table: { type: "string", title: "Table", pattern: "^[a-z_]{1,40}$" },
        },
      },
    },
  },
};

/** A payment of so much, to ACME unless told otherwise. */
export const pay = (value: number, more: Record<string, unknown> = {}): AuthorizationDetail => ({
  type: "payment",
  amount: { value, currency: "EUR" },
  creditor: "ACME GmbH",
  ...more,
});

/** The use of a tool, with limits for its arguments if there are any. */
export const tool = (name: string, args?: Record<string, unknown>): AuthorizationDetail => ({
  type: "mcp_tool",
  name,
  ...(args && { arguments: args }),
});

/** Details as the parameter carries them. */
export const param = (...details: readonly unknown[]): string => JSON.stringify(details);
