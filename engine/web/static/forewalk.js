// What saves a reload. Every page is whole without it.
"use strict";

const link = document.querySelector("[data-from-link]");
if (link && location.hash.length > 1) {
  link.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

const work = document.querySelector("[data-follow]");
if (work) {
  const events = new EventSource(work.dataset.follow);
  const doing = document.getElementById("doing");
  const bar = work.querySelector("progress");
  const look = (event) => {
    const job = JSON.parse(event.data);
    if (["succeeded", "failed", "cancelled"].includes(job.state)) {
      events.close();
      location.reload();
    } else if (job.progress && job.progress.total) {
      bar.max = job.progress.total;
      bar.value = job.progress.done;
      doing.textContent = `${job.progress.what}: ${job.progress.done} of ${job.progress.total}`;
    }
  };
  events.onmessage = look;
  events.addEventListener("job", look);
  events.onerror = () => setTimeout(() => location.reload(), 3000);
}

// A practice book: look again as soon as it is somewhere else.
const wait = document.querySelector("[data-wait]");
if (wait) {
  const ask = async () => {
    const answer = await fetch(wait.dataset.wait);
    const now = answer.ok ? await answer.json() : null;
    if (now && `${now.phase} ${now.day}` !== wait.dataset.now) {
      location.reload();
    } else {
      setTimeout(ask, 1000);
    }
  };
  setTimeout(ask, 1000);
}
