// What an OpenAPI document says, as values: operations, words for schemas, examples, requests. It touches no page.

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const JSON_TYPE = /^application\/(?:[^;]+\+)?json\b/;
const DEPTH = 5;
const EXAMPLES = {
  date: "2024-01-31",
  "date-time": "2024-01-31T12:00:00Z",
  time: "12:00:00Z",
  duration: "PT1H",
  email: "someone@example.com",
  uri: "https://example.com/",
  uuid: "3f333df6-90a4-4fda-8dd3-9485d27cee36",
};

/** What a reference within the document refers to; {} where there is no such thing. */
export function resolved(document, value) {
  for (let turns = 0; turns < 20; turns += 1) {
    if (value === null || typeof value !== "object" || typeof value.$ref !== "string") return value;
    if (!value.$ref.startsWith("#/")) return {};
    let target = document;
    for (const part of value.$ref.slice(2).split("/")) {
      const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      target = target !== null && typeof target === "object" && Object.hasOwn(target, key) ? target[key] : undefined;
    }
    value = target === undefined ? {} : target;
  }
  return {};
}

/** The operations in the order of their tags: [{tag, description, operations}]; those without a tag come first. */
export function groupsOf(document) {
  const groups = new Map([["", { tag: "", description: "", operations: [] }]]);
  for (const { name, description } of document.tags ?? []) {
    groups.set(name, { tag: name, description: description ?? "", operations: [] });
  }
  for (const [path, given] of Object.entries(document.paths ?? {})) {
    const item = resolved(document, given);
    for (const method of METHODS.filter((one) => item[one])) {
      const operation = operationOf(document, path, method, item);
      for (const tag of operation.tags.length ? operation.tags : [""]) {
        if (!groups.has(tag)) groups.set(tag, { tag, description: "", operations: [] });
        groups.get(tag).operations.push(operation);
      }
    }
  }
  return [...groups.values()].filter((group) => group.operations.length);
}

function operationOf(document, path, method, item) {
  const given = item[method];
  const parameters = new Map();
  for (const one of [...(item.parameters ?? []), ...(given.parameters ?? [])]) {
    const parameter = resolved(document, one);
    parameters.set(`${parameter.in} ${parameter.name}`, parameter);
  }
  const body = given.requestBody ? resolved(document, given.requestBody) : null;
  return {
    id: given.operationId ?? `${method} ${path}`,
    method,
    path,
    tags: given.tags ?? [],
    summary: given.summary ?? "",
    description: given.description ?? "",
    deprecated: given.deprecated === true,
    security: given.security ?? document.security ?? [],
    parameters: [...parameters.values()],
    body: body && { required: body.required === true, description: body.description ?? "", content: body.content ?? {} },
    responses: Object.entries(given.responses ?? {}).map(([status, one]) => {
      const response = resolved(document, one);
      return { status, description: response.description ?? "", content: response.content ?? {} };
    }),
  };
}

/** Whether an operation has all the words in it: in its path, method, summary, name or tags. */
export function matches(operation, words) {
  const text = [operation.method, operation.path, operation.summary, operation.id, ...operation.tags].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The name of a schema that is referred to; "" for others. */
export function nameOf(schema) {
  return schema && typeof schema.$ref === "string" ? decodeURIComponent(schema.$ref.split("/").pop()) : "";
}

/** A schema in a few words: "integer ≥ 1", "array of Note", "Note or null". */
export function typeText(schema) {
  if (schema === true || schema === undefined) return "any value";
  if (schema === false) return "nothing";
  if (schema.$ref) return nameOf(schema);
  const kinds = schema.anyOf ?? schema.oneOf;
  if (kinds) return [...new Set(kinds.map(typeText))].join(" or ");
  if (schema.allOf) return schema.allOf.map(typeText).join(" and ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (isFile(schema)) return "file";
  const types = [schema.type ?? []].flat();
  if (!types.length) return schema.properties ? "object" : "any value";
  return types.map((type) => (type === "array" ? `array of ${typeText(schema.items)}` : type)).join(" or ") + limitsText(schema);
}

function limitsText(schema) {
  const limits = [];
  if (schema.format) limits.push(`(${schema.format})`);
  if (schema.minimum !== undefined) limits.push(`≥ ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) limits.push(`> ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined) limits.push(`≤ ${schema.maximum}`);
  if (schema.exclusiveMaximum !== undefined) limits.push(`< ${schema.exclusiveMaximum}`);
  if (schema.multipleOf !== undefined) limits.push(`multiple of ${schema.multipleOf}`);
  const [least, most] = [schema.minLength ?? schema.minItems, schema.maxLength ?? schema.maxItems];
  if (least !== undefined || most !== undefined) {
    limits.push(least === most ? `length ${least}` : `length ${least ?? 0} to ${most ?? "any"}`);
  }
  if (schema.pattern) limits.push(`matches ${schema.pattern}`);
  return limits.length ? ` ${limits.join(", ")}` : "";
}

/** Whether a schema stands for a file: OpenAPI 3.1, "Considerations for File Uploads", and as 3.0 had it. */
export function isFile(schema) {
  return schema?.format === "binary" || (schema?.contentMediaType ?? "").startsWith("application/octet-stream");
}

/** A value that a schema allows, as far as that can be told simply. */
export function exampleOf(document, schema, depth = DEPTH) {
  const named = resolved(document, schema);
  if (named === null || typeof named !== "object") return null;
  for (const key of ["example", "default", "const"]) if (key in named) return named[key];
  for (const key of ["examples", "enum"]) if (Array.isArray(named[key]) && named[key].length) return named[key][0];
  if (depth === 0) return null;
  const kinds = named.anyOf ?? named.oneOf;
  if (kinds?.length) return exampleOf(document, kinds.find((one) => one.type !== "null") ?? kinds[0], depth - 1);
  if (named.allOf) return Object.assign({}, ...named.allOf.map((one) => exampleOf(document, one, depth - 1) ?? {}));
  const type = [named.type].flat().find((one) => one !== "null");
  if (type === "object" || named.properties) {
    const pairs = Object.entries(named.properties ?? {}).map(([name, one]) => [name, exampleOf(document, one, depth - 1)]);
    return Object.fromEntries(pairs);
  }
  if (type === "array") {
    const one = exampleOf(document, named.items ?? {}, depth - 1);
    return one === null ? [] : [one];
  }
  if (type === "integer" || type === "number") return numberWithin(named);
  if (type === "boolean") return true;
  if (type === "string") return (EXAMPLES[named.format] ?? "text").padEnd(named.minLength ?? 0, "x").slice(0, named.maxLength);
  return null;
}

function numberWithin(schema) {
  const step = schema.multipleOf ?? 1;
  if (schema.minimum !== undefined) return Math.ceil(schema.minimum / step) * step;
  if (schema.exclusiveMinimum !== undefined) return (Math.floor(schema.exclusiveMinimum / step) + 1) * step;
  if (schema.maximum !== undefined && schema.maximum < step) return Math.floor(schema.maximum / step) * step;
  return step;
}

/** The example of a parameter or of a body of some type, as text for an input. */
export function inputText(document, holder) {
  const named = Object.values(holder.examples ?? {}).map((one) => resolved(document, one).value);
  const value = holder.example ?? named[0] ?? exampleOf(document, holder.schema ?? {});
  if (Array.isArray(value)) return value.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n");
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/**
 * The request for an operation.
 *
 * inputs   {server, parameters: {"query page": "1" or ["1", "2"]}, mediaType, body: text or [[name, text or File]],
 *          credentials: {scheme's name: text, or {user, password}}}
 * Gives {url, method, headers: [[name, value]], body, missing: [names of what has to be there]}.
 */
export function requestOf(document, operation, inputs) {
  const missing = [];
  const headers = [];
  const query = [];
  const cookies = [];
  let path = operation.path;
  for (const parameter of operation.parameters) {
    const given = inputs.parameters?.[`${parameter.in} ${parameter.name}`];
    const values = [given ?? []].flat().filter((one) => one !== "");
    if (!values.length) {
      if (parameter.required) missing.push(parameter.name);
      continue;
    }
    if (parameter.in === "path") path = path.replaceAll(`{${parameter.name}}`, encodeURIComponent(values.join(",")));
    if (parameter.in === "query") {
      const joined = parameter.explode === false ? [values.join(",")] : values;
      query.push(...joined.map((one) => [parameter.name, one]));
    }
    if (parameter.in === "header") headers.push([parameter.name, values.join(",")]);
    if (parameter.in === "cookie") cookies.push(`${parameter.name}=${values[0]}`);
  }
  secure(document, operation, inputs.credentials ?? {}, headers, query);
  if (cookies.length) headers.push(["Cookie", cookies.join("; ")]);
  const body = bodyOf(operation, inputs, headers, missing);
  const search = new URLSearchParams(query).toString();
  const url = (inputs.server ?? "").replace(/\/$/, "") + path + (search ? `?${search}` : "");
  return { url, method: operation.method.toUpperCase(), headers, body, missing };
}

function bodyOf(operation, inputs, headers, missing) {
  const body = inputs.body ?? "";
  if (!operation.body || body === "" || body.length === 0) {
    if (operation.body?.required) missing.push("body");
    return undefined;
  }
  if (typeof body === "string") {
    headers.push(["Content-Type", inputs.mediaType]);
    return body;
  }
  if (inputs.mediaType === "application/x-www-form-urlencoded") return new URLSearchParams(body);
  const form = new FormData();
  for (const [name, value] of body) form.append(name, value);
  return form;
}

/** Adds what the first of the operation's alternatives wants that there are credentials for. */
function secure(document, operation, credentials, headers, query) {
  const schemes = document.components?.securitySchemes ?? {};
  const wanted = operation.security.find((one) => Object.keys(one).every((name) => credentials[name])) ?? {};
  for (const name of Object.keys(wanted)) {
    const scheme = resolved(document, schemes[name] ?? {});
    const given = credentials[name];
    if (scheme.type === "apiKey" && scheme.in === "header") headers.push([scheme.name, given]);
    else if (scheme.type === "apiKey" && scheme.in === "query") query.push([scheme.name, given]);
    else if (scheme.type === "http" && (scheme.scheme ?? "").toLowerCase() === "basic") {
      headers.push(["Authorization", `Basic ${base64(given)}`]);
    } else headers.push(["Authorization", `Bearer ${given}`]);
  }
}

function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

/** The request as a command of a shell. */
export function curlOf(request, origin) {
  const url = new URL(request.url, origin).href;
  const parts = ["curl", request.method === "GET" ? "" : `-X ${request.method}`, quoted(url)];
  for (const [name, value] of request.headers) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (typeof request.body === "string") parts.push(`--data-binary ${quoted(request.body)}`);
  else if (request.body instanceof URLSearchParams) parts.push(`-d ${quoted(request.body.toString())}`);
  else if (request.body) {
    for (const [name, value] of request.body) {
      parts.push(`-F ${quoted(typeof value === "string" ? `${name}=${value}` : `${name}=@${value.name}`)}`);
    }
  }
  return parts.filter(Boolean).join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A body as it is shown: JSON with indents, other texts as they are. */
export function shownBody(text, contentType) {
  if (!JSON_TYPE.test(contentType)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function isJson(mediaType) {
  return JSON_TYPE.test(mediaType);
}

/** Text of CommonMark as paragraphs, lists and code, which is all of it that is shown: [{kind, lines: [[spans]]}]. */
export function blocksOf(text) {
  return text
    .split(/\n\s*\n/)
    .map((block) => block.replace(/\s+$/, ""))
    .filter((block) => block.trim())
    .map((block) => {
      const lines = block.split("\n");
      if (lines.every((line) => /^(?: {4}|\t)/.test(line))) {
        return { kind: "code", lines: lines.map((line) => [{ code: false, text: line.replace(/^(?: {4}|\t)/, "") }]) };
      }
      if (/^\s*[-*] /.test(lines[0])) {
        const items = block.split(/\n\s*[-*] /).map((item) => item.replace(/^\s*[-*] /, ""));
        return { kind: "list", lines: items.map(spansOf) };
      }
      return { kind: "text", lines: [spansOf(block)] };
    });
}

function spansOf(text) {
  const joined = text.replace(/\s+/g, " ").trim();
  return joined.split(/(`[^`]+`)/).filter(Boolean).map((part) => {
    const isCode = part.length > 2 && part.startsWith("`") && part.endsWith("`");
    return { code: isCode, text: isCode ? part.slice(1, -1) : part.replace(/(\*\*|__|\*)(\S(?:.*?\S)?)\1/g, "$2") };
  });
}
