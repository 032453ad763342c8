// Shows an OpenAPI document, and tries its requests. All that the document says goes into the page as text.

import {
  blocksOf, curlOf, exampleOf, groupsOf, inputText, isFile, isJson, matches, nameOf, requestOf, resolved, shownBody, typeText,
} from "./model.js";

const MOST_SHOWN = 200_000;
const DEPTH = 8;
const state = { document: null, server: "", credentials: {} };

/** An element with properties, attributes and children; text children stay text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "hidden" || key === "open" || key === "required") element[key] = value;
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

function prose(text) {
  const spans = (line) => line.map((one) => (one.code ? make("code", {}, one.text) : one.text));
  return blocksOf(text ?? "").map((block) => {
    if (block.kind === "code") return make("pre", {}, block.lines.map((line) => line[0].text).join("\n"));
    if (block.kind === "list") return make("ul", {}, block.lines.map((line) => make("li", {}, spans(line))));
    return make("p", {}, spans(block.lines[0]));
  });
}

// Schemas

/** A schema with what is in it, which is made when somebody opens it. */
function schemaView(schema, depth = DEPTH) {
  const named = resolved(state.document, schema) ?? {};
  const inner = partsOf(named);
  const words = [make("span", { class: "type" }, typeText(schema))];
  if (nameOf(schema)) words.push(make("span", { class: "type faint" }, typeText(named)));
  if (named.default !== undefined) words.push(make("span", { class: "faint" }, `default ${JSON.stringify(named.default)}`));
  const head = make("span", { class: "schema-head" }, words);
  if (!inner.length || depth === 0) return make("div", { class: "schema" }, head, prose(named.description));
  const body = make("div", { class: "schema-body" });
  const fill = () => {
    if (body.childElementCount) return;
    body.append(...prose(named.description), ...inner.map((one) => partView(one, depth - 1)));
  };
  const view = make("details", { class: "schema", ontoggle: fill }, make("summary", {}, head), body);
  if (depth === DEPTH) {
    view.open = true;
    fill();
  }
  return view;
}

/** Properties, items and alternatives of a schema. */
function partsOf(schema) {
  const parts = Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    name, schema: one, isNeeded: (schema.required ?? []).includes(name),
  }));
  const kinds = (schema.anyOf ?? schema.oneOf ?? schema.allOf ?? []).filter((one) => one.type !== "null");
  // Of something that may be null there is one kind to look into.
  if (kinds.length === 1) return partsOf(resolved(state.document, kinds[0]) ?? {});
  const isPlain = (one) => !partsOf(resolved(state.document, one) ?? {}).length && !nameOf(one);
  for (const one of kinds) if (!isPlain(one)) parts.push({ name: "", schema: one });
  if (schema.items && !isPlain(schema.items)) parts.push({ name: "each item", schema: schema.items });
  const others = schema.additionalProperties;
  if (others && typeof others === "object" && !isPlain(others)) parts.push({ name: "each value", schema: others });
  return parts;
}

function partView({ name, schema, isNeeded }, depth) {
  const label = name && make("span", { class: "name" }, name, isNeeded ? make("abbr", { class: "needed", title: "required" }, "*") : "");
  return make("div", { class: "part" }, label, schemaView(schema, depth));
}

function contentView(content) {
  // The same in another type is not opened again.
  const view = (schema, index) => (schema ? schemaView(schema, index ? DEPTH - 1 : DEPTH) : "");
  return Object.entries(content).map(([mediaType, one], index) =>
    make("div", { class: "content" }, make("code", { class: "media" }, mediaType), view(one.schema, index)),
  );
}

// Operations

function operationView(operation) {
  const body = make("div", { class: "operation-body" });
  const fill = () => {
    if (!body.childElementCount) body.append(...operationParts(operation));
  };
  const method = make("span", { class: `method ${operation.method}` }, operation.method.toUpperCase());
  const path = operation.path.split(/(?=[/])/).flatMap((part) => [part, make("wbr")]);
  const summary = make(
    "summary", {}, method, make("code", { class: "path" }, path), make("span", { class: "what" }, operation.summary),
    operation.deprecated ? make("span", { class: "badge" }, "deprecated") : "",
    operation.security.length ? make("span", { class: "badge", title: "wants credentials" }, "secured") : "",
  );
  const id = `op-${operation.id}`;
  const view = make("details", { class: `operation ${operation.deprecated ? "deprecated" : ""}`, id, ontoggle: fill }, summary, body);
  view.matches = (words) => matches(operation, words);
  return view;
}

function operationParts(operation) {
  const parts = [...prose(operation.description)];
  if (operation.parameters.length) {
    parts.push(make("h4", {}, "Parameters"), make("div", { class: "rows" }, operation.parameters.map(parameterView)));
  }
  if (operation.body) {
    parts.push(make("h4", {}, operation.body.required ? "Body" : "Body (optional)"), ...prose(operation.body.description));
    parts.push(...contentView(operation.body.content));
  }
  parts.push(tryView(operation));
  parts.push(make("h4", {}, "Answers"), make("div", { class: "rows" }, operation.responses.map(responseView)));
  return parts;
}

function parameterView(parameter) {
  const needed = parameter.required ? make("abbr", { class: "needed", title: "required" }, "*") : "";
  return make(
    "div", { class: "row" },
    make("div", { class: "row-name" }, make("code", {}, parameter.name), needed, make("span", { class: "faint" }, ` ${parameter.in}`)),
    make("div", {}, ...prose(parameter.description), schemaView(parameter.schema ?? {})),
  );
}

function responseView(response) {
  const kind = response.status.startsWith("2") ? "good" : /^[45]/.test(response.status) ? "bad" : "";
  const content = contentView(response.content);
  for (const one of content) for (const inner of one.querySelectorAll(".schema[open]")) inner.open = response.status < "4";
  return make(
    "div", { class: "row" },
    make("div", { class: `row-name status ${kind}` }, response.status),
    make("div", {}, ...prose(response.description), ...content),
  );
}

// Trying

function tryView(operation) {
  const fields = new Map(operation.parameters.map((one) => [`${one.in} ${one.name}`, inputFor(one, one.required)]));
  const bodyInput = operation.body ? bodyInputs(operation.body) : null;
  const answer = make("output", { class: "answer", "aria-live": "polite" });
  const request = () =>
    requestOf(state.document, operation, {
      server: state.server,
      credentials: state.credentials,
      parameters: Object.fromEntries([...fields].map(([key, input]) => [key, valuesOf(input)])),
      mediaType: bodyInput?.mediaType(),
      body: bodyInput?.value(),
    });
  const send = make("button", { class: "send" }, "Send");
  const form = make(
    "form", { class: "try", novalidate: true, onsubmit: (event) => { event.preventDefault(); attempt(request(), answer, send); } },
    make("h4", {}, "Try it"),
    [...fields].map(([key, input]) => labelled(key.split(" ").slice(1).join(" "), input)),
    bodyInput?.views ?? [],
    make(
      "div", { class: "buttons" }, send,
      make("button", { type: "button", class: "plain", onclick: () => showCurl(request(), answer) }, "As curl"),
    ),
    answer,
  );
  return form;
}

function labelled(name, input) {
  return make("label", { class: "field" }, make("span", {}, name), input);
}

/** An input for a value of a schema; what is typed is sent as it is, so that wrong values can be tried. */
function inputFor(holder, isNeeded) {
  const schema = resolved(state.document, holder.schema ?? {}) ?? {};
  const inner = (schema.anyOf ?? []).map((one) => resolved(state.document, one)).find((one) => one.type !== "null") ?? schema;
  if (isFile(inner)) return make("input", { type: "file" });
  if (inner.type === "array" && isFile(resolved(state.document, inner.items ?? {}))) {
    return make("input", { type: "file", multiple: true });
  }
  const choices = inner.enum ?? (inner.type === "boolean" ? [true, false] : null);
  if (choices) {
    const options = choices.map((one) => make("option", { value: String(one) }, String(one)));
    const select = make("select", {}, make("option", { value: "" }, "—"), options);
    select.value = isNeeded ? inputText(state.document, holder) : "";
    return select;
  }
  if (inner.type === "array") return make("textarea", { rows: 2, placeholder: "one a line", "data-many": true });
  const text = isNeeded ? inputText(state.document, holder) : "";
  const hint = inner.default === undefined ? typeText(inner) : `default ${JSON.stringify(inner.default)}`;
  const mode = ["integer", "number"].includes(inner.type) ? "decimal" : "text";
  return make("input", { value: text, placeholder: hint, inputmode: mode, autocomplete: "off", spellcheck: "false" });
}

function valuesOf(input) {
  if (input.type === "file") return [...input.files];
  return input.hasAttribute("data-many") ? input.value.split("\n").filter(Boolean) : input.value;
}

/** The inputs for a body: which type, and then text, or a field for each property of a form. */
function bodyInputs(body) {
  const types = Object.keys(body.content);
  const select = make("select", { "aria-label": "Content-Type" }, types.map((one) => make("option", { value: one }, one)));
  const room = make("div", { class: "fields" });
  let current = null;
  const show = () => {
    const content = body.content[select.value] ?? {};
    const isForm = /^(multipart\/form-data|application\/x-www-form-urlencoded)/.test(select.value);
    current = isForm ? formInputs(content) : textInput(content, select.value);
    room.replaceChildren(...current.views);
  };
  select.addEventListener("change", show);
  show();
  return {
    views: [types.length > 1 ? labelled("Content-Type", select) : make("code", { class: "media" }, types[0] ?? ""), room],
    mediaType: () => select.value,
    value: () => current.value(),
  };
}

function textInput(content, mediaType) {
  const text = isJson(mediaType) ? JSON.stringify(content.example ?? exampleOf(state.document, content.schema ?? {}), null, 2) : "";
  const rows = Math.min(16, Math.max(3, text.split("\n").length));
  const area = make("textarea", { rows, value: text, spellcheck: "false", "aria-label": "Body", class: "code" });
  return { views: [area], value: () => area.value };
}

function formInputs(content) {
  const schema = resolved(state.document, content.schema ?? {}) ?? {};
  const alternatives = (schema.anyOf ?? schema.oneOf ?? [schema]).map((one) => resolved(state.document, one));
  const properties = Object.assign({}, ...alternatives.map((one) => one.properties ?? {}));
  const needed = alternatives.length === 1 ? alternatives[0].required ?? [] : [];
  const fields = Object.entries(properties).map(([name, one]) => [name, inputFor({ schema: one }, needed.includes(name))]);
  return {
    views: fields.map(([name, input]) => labelled(needed.includes(name) ? `${name} *` : name, input)),
    value: () => fields.flatMap(([name, input]) => [valuesOf(input)].flat().filter((one) => one !== "").map((one) => [name, one])),
  };
}

function showMissing(request, answer) {
  answer.replaceChildren(make("p", { class: "bad" }, `Missing: ${request.missing.join(", ")}`));
}

function showCurl(request, answer) {
  if (request.missing.length) return showMissing(request, answer);
  return answer.replaceChildren(make("pre", {}, curlOf(request, window.location.href)));
}

async function attempt(request, answer, button) {
  if (request.missing.length) return showMissing(request, answer);
  button.disabled = true;
  const began = performance.now();
  try {
    const { method, body } = request;
    const response = await fetch(request.url, { method, body, headers: request.headers, credentials: "same-origin" });
    const blob = await response.blob();
    answer.replaceChildren(...await answerParts(response, blob, performance.now() - began));
  } catch (error) {
    answer.replaceChildren(make("p", { class: "bad" }, `No answer: ${error.message}`));
  } finally {
    button.disabled = false;
  }
  return undefined;
}

async function answerParts(response, blob, milliseconds) {
  const kind = response.headers.get("Content-Type") ?? "";
  const status = make("span", { class: `status ${response.ok ? "good" : "bad"}` }, `${response.status} ${response.statusText}`);
  const size = `${blob.size.toLocaleString()} bytes in ${Math.round(milliseconds)} ms`;
  const fields = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const parts = [
    make("p", {}, status, " ", make("span", { class: "faint" }, size)),
    make("details", {}, make("summary", {}, "Header fields"), make("pre", {}, fields)),
  ];
  if (!blob.size) return parts;
  if (/^image\/(png|jpeg|gif|webp|avif)/.test(kind)) parts.push(make("img", { src: URL.createObjectURL(blob), alt: "The image that has come" }));
  else if (/^text\/|json|xml|javascript|urlencoded/.test(kind)) {
    const text = shownBody(await blob.slice(0, MOST_SHOWN).text(), blob.size > MOST_SHOWN ? "" : kind);
    parts.push(make("pre", {}, text), blob.size > MOST_SHOWN ? make("p", { class: "faint" }, "The rest is not shown.") : "");
  } else parts.push(make("a", { href: URL.createObjectURL(blob), download: "answer" }, "Save what has come"));
  return parts;
}

// The page

function credentialsView(schemes) {
  const fields = Object.entries(schemes).map(([name, given]) => {
    const scheme = resolved(state.document, given);
    const isBasic = scheme.type === "http" && (scheme.scheme ?? "").toLowerCase() === "basic";
    const hint = isBasic ? "user:password" : scheme.type === "apiKey" ? `${scheme.name} (${scheme.in})` : "token";
    const input = make("input", {
      type: "password", placeholder: hint, autocomplete: "off",
      oninput: (event) => { state.credentials[name] = event.target.value; },
    });
    return labelled(name, input);
  });
  const note = make("p", { class: "faint" }, "Kept in this page until it is left or loaded again.");
  const form = make("form", { onsubmit: (event) => event.preventDefault() }, fields);
  return make("details", { class: "credentials" }, make("summary", {}, "Credentials"), form, note);
}

function serverView(servers) {
  const select = make("select", { onchange: (event) => { state.server = event.target.value; } }, servers.map((one) => make("option", { value: one.url }, one.url)));
  return servers.length > 1 ? labelled("Server", select) : "";
}

function groupView(group) {
  const views = group.operations.map(operationView);
  const head = group.tag ? [make("h2", {}, group.tag), ...prose(group.description)] : [];
  return make("section", { class: "group" }, head, views);
}

function filter(words, list) {
  for (const group of list.querySelectorAll(".group")) {
    for (const one of group.querySelectorAll(".operation")) one.hidden = !one.matches(words.trim());
    group.hidden = !group.querySelector(".operation:not([hidden])");
  }
}

function openFromAddress() {
  const id = decodeURIComponent(window.location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

function show(given, url) {
  state.document = given;
  const servers = (given.servers ?? []).length ? given.servers : [{ url: "/" }];
  state.server = servers[0].url;
  const schemes = given.components?.securitySchemes ?? {};
  const list = make("div", { class: "list" }, groupsOf(given).map(groupView));
  const search = make("input", {
    type: "search", placeholder: "Find an operation", "aria-label": "Find an operation", oninput: () => filter(search.value, list),
  });
  list.addEventListener("toggle", (event) => {
    if (event.target.classList?.contains("operation") && event.target.open) history.replaceState(null, "", `#${encodeURIComponent(event.target.id)}`);
  }, true);
  document.body.replaceChildren(
    make("header", {}, make("div", { class: "title" }, make("h1", {}, given.info.title), make("span", { class: "badge" }, given.info.version)),
      prose(given.info.description), make("p", {}, make("a", { href: url }, "The document in JSON"))),
    make("div", { class: "tools" }, search, serverView(servers), Object.keys(schemes).length ? credentialsView(schemes) : ""),
    make("main", {}, list),
  );
  openFromAddress();
  window.addEventListener("hashchange", openFromAddress);
}

async function begin() {
  const url = document.body.dataset.document;
  try {
    const response = await fetch(url, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    show(await response.json(), url);
  } catch (error) {
    document.body.replaceChildren(make("p", { class: "bad" }, `The OpenAPI document at ${url} cannot be shown: ${error.message}`));
  }
}

begin();
