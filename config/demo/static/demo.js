// The demo page: three questions, one upload, one stream. No build step, no library.
"use strict";

const at = (id) => document.getElementById(id);

function show(pre, text) {
  pre.textContent = text;
  pre.hidden = false;
}

for (const button of document.querySelectorAll("[data-ask]")) {
  const pre = button.parentElement.querySelector("pre");
  button.addEventListener("click", async () => {
    button.disabled = true;
    const began = performance.now();
    try {
      const answer = await fetch(button.dataset.ask);
      const body = await answer.text();
      const took = (performance.now() - began).toFixed(1);
      show(pre, `${answer.status} ${answer.statusText} in ${took} ms\n${body.trim()}`);
    } catch (error) {
      show(pre, `no answer: ${error.message}`);
    }
    button.disabled = false;
  });
}

// XMLHttpRequest, because fetch() can't tell how far an upload has come.
at("upload").addEventListener("submit", (event) => {
  event.preventDefault();
  const file = at("file").files[0];
  const request = new XMLHttpRequest();
  request.open("POST", "/upload");
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    at("progress").value = loaded / total;
  });
  request.addEventListener("load", () => show(at("result"), request.responseText.trim()));
  request.addEventListener("error", () => show(at("result"), "The connection was lost."));
  at("progress").hidden = false;
  request.send(file);
});

const live = new EventSource("/live");
live.addEventListener("open", () => { at("state").textContent = "connected"; });
live.addEventListener("error", () => { at("state").textContent = "connecting again"; });
live.addEventListener("message", ({ data }) => {
  const { count, watchers } = JSON.parse(data);
  at("count").textContent = count;
  at("watchers").textContent = watchers === 1 ? "one browser" : `${watchers} browsers`;
});
