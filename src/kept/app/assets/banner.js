(function (d, w) {
  "use strict";
  var me = d.currentScript, state = me.dataset, gpc = w.navigator.globalPrivacyControl === true;
  var list = function (text) { return (text || "").split(" ").filter(Boolean); };
  // A page that hears the signal itself, where the server did not, follows it too.
  var allowed = list(gpc ? state.gpcAllowed : state.allowed), before;
  var granted = list(gpc ? state.gpcConsent : state.consent);

  // Google's tags hear first what is denied, then what is allowed.
  w.dataLayer = w.dataLayer || [];
  var say = function () { w.dataLayer.push(arguments); };
  w.gtag = w.gtag || say;
  var modes = function (granted) {
    var said = {};
    ["ad_storage", "ad_user_data", "ad_personalization", "analytics_storage", "personalization_storage"].forEach(function (kind) {
      said[kind] = granted.indexOf(kind) < 0 ? "denied" : "granted";
    });
    return said;
  };
  say("consent", "default", modes([]));
  if (granted.length) say("consent", "update", modes(granted));

  // Whoever asks by the Global Privacy Platform is told the string of this visit (United States).
  if (state.gpp) {
    w.__gpp = function (command, callback) {
      var sections = list(state.gppSections);
      var ping = {
        gppVersion: "1.1", cmpStatus: "loaded", cmpDisplayStatus: "hidden", signalStatus: "ready",
        supportedAPIs: sections, cmpId: 0, sectionList: sections.map(parseFloat), applicableSections: [7],
        gppString: gpc ? state.gpcGpp : state.gpp
      };
      var added = command === "addEventListener";
      if (callback) callback(
        command === "ping" ? ping : added ? { eventName: "listenerRegistered", listenerId: 1, data: true, pingData: ping } : null,
        command === "ping" || added
      );
    };
  }

  // What a refused tracker left in the browser beside cookies. Opening the storage takes longer
  // than all the rest of this file, so it waits until the page is there.
  var sweep = function () {
    var gone = list(state.gone);
    ["localStorage", "sessionStorage"].forEach(function (kind) {
      try {
        var store = w[kind];
        Object.keys(store).forEach(function (key) {
          if (gone.some(function (name) {
            return name.slice(-1) === "*" ? key.indexOf(name.slice(0, -1)) === 0 : key === name;
          })) store.removeItem(key);
        });
      } catch (e) { /* storage is closed: nothing is there */ }
    });
  };
  if (state.gone) w.addEventListener("load", function () { (w.requestIdleCallback || w.setTimeout)(sweep); });

  // Labels: what a page holds back by itself starts when it is allowed.
  var start = function () {
    if (!allowed.length) return;
    d.querySelectorAll("[data-kept]").forEach(function (old) {
      if (allowed.indexOf(old.dataset.kept) < 0) return;
      if (old.tagName === "SCRIPT" && old.type === "text/plain") {
        var fresh = d.createElement("script");
        Array.prototype.forEach.call(old.attributes, function (a) {
          if (a.name !== "type" && a.name !== "data-kept" && a.name !== "data-src") fresh.setAttribute(a.name, a.value);
        });
        if (old.dataset.src) fresh.src = old.dataset.src;
        fresh.text = old.text;
        old.replaceWith(fresh);
      } else if (old.dataset.src) {
        old.src = old.dataset.src;
        old.removeAttribute("data-kept");
      }
    });
    d.querySelectorAll("[data-kept-embed]").forEach(function (box) {
      var inside = box.querySelector("template");
      if (inside && allowed.indexOf(box.dataset.keptEmbed) >= 0) box.replaceWith(inside.content.cloneNode(true));
    });
  };

  var close = function (banner) {
    banner.remove();
    var link = d.querySelector(".kept-link a");
    var to = before && before !== d.body && before.isConnected ? before : link;
    if (to) to.focus();
  };

  var send = function (event) {
    var form = event.target, banner = form.closest(".kept-banner");
    if (!event.submitter || !form.closest(".kept-banner,.kept-embed")) return;
    var page = d.getElementById("kept-banner");
    if (event.submitter.value !== "refuse") {
      // A yes is a person's: a script that presses for her sends none.
      var active = w.navigator.userActivation;
      if (active && !active.isActive) return event.preventDefault();
      // The page is asked for again anyhow; as a form, the browser says that somebody pressed.
      if (!page || page.dataset.reload) return;
    }
    if (!w.fetch) return;
    event.preventDefault();
    var body = new URLSearchParams(new FormData(form));
    body.append(event.submitter.name, event.submitter.value);
    w.fetch(form.action, { method: "POST", body: body, headers: { Accept: "application/json" } })
      .then(function (answer) {
        if (!answer.ok) throw new Error();
        return answer.json();
      })
      .then(function (said) {
        if (said.reload && (!page || page.dataset.reload)) return w.location.reload();
        allowed = said.allowed;
        say("consent", "update", modes(said.consent));
        if (banner) close(banner);
        start();
      })
      .catch(function () {
        // As without a script. The button that was pressed has to go along.
        var pressed = event.submitter, field = d.createElement("input");
        field.type = "hidden";
        field.name = pressed.name;
        field.value = pressed.value;
        form.append(field);
        form.submit();
      });
  };

  // One view of this page, where it may be recorded: what is kept of it the server decides.
  var view = function () {
    var to = gpc ? state.gpcView : state.view;
    if (!to || !w.fetch || w.self !== w.top) return;
    var id = Array.prototype.map.call(w.crypto.getRandomValues(new Uint8Array(16)), function (one) {
      return (one + 256).toString(16).slice(1);
    }).join("");
    var from = d.referrer.split("/").slice(0, 3).join("/");
    w.fetch(to, {
      method: "POST", keepalive: true, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id: id, page: w.location.pathname, referrer: from })
    }).catch(function () { /* not told, not counted */ });
  };

  d.addEventListener("submit", send);
  d.addEventListener("DOMContentLoaded", function () {
    var banner = d.getElementById("kept-banner");
    if (banner && gpc) banner.remove();
    else if (banner) {
      before = d.activeElement;
      d.body.prepend(banner);
      banner.addEventListener("keydown", function (event) {
        if (event.key !== "Escape") return;
        var details = banner.querySelector("details");
        if (details.open) {
          details.open = false;
          details.querySelector("summary").focus();
        } else close(banner);
      });
    }
    start();
    // A page that is made ready in advance is not viewed yet.
    if (d.prerendering) d.addEventListener("prerenderingchange", view, { once: true });
    else view();
  });
})(document, window);
