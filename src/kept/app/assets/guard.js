(function (d, w) {
  "use strict";
  // What no policy of a page governs. A page that wants to get around this can; one that was
  // written without a thought of its visitors cannot.
  var hosts = (d.currentScript.dataset.hosts || "").split(" ").filter(Boolean);
  // What is kept out here is told as the browser tells what a policy keeps out, once a host.
  var told = {};
  var refused = function (host) {
    if (told[host]) return false;
    told[host] = true;
    var uri = "https://" + host, page = w.location.origin + w.location.pathname, kind = "connect-src";
    try {
      d.dispatchEvent(new w.SecurityPolicyViolationEvent("securitypolicyviolation", {
        bubbles: true, blockedURI: uri, documentURI: page, effectiveDirective: kind, violatedDirective: kind,
        originalPolicy: "", disposition: "enforce", statusCode: 0
      }));
      w.navigator.sendBeacon("/privacy/reports", new Blob([JSON.stringify({
        "csp-report": { "document-uri": page, "blocked-uri": uri, "effective-directive": kind }
      })], { type: "application/csp-report" }));
    } catch (e) { /* it is kept out all the same */ }
    return false;
  };
  var may = function (name) {
    var host = String(name).toLowerCase(), here = w.location.hostname;
    return !host || host === here || hosts.some(function (one) {
      return one.slice(0, 2) === "*." ? host.slice(1 - one.length) === one.slice(1) : host === one;
    }) || refused(host);
  };
  var wrap = function (owner, name, made) {
    var before = owner && owner[name];
    if (typeof before === "function") owner[name] = made(before);
  };
  var each = function (list, work) { Array.prototype.forEach.call(list, work); };

  // Rules by which a browser fetches pages of others in advance, in shadow trees too. What one
  // batch of changes tells is looked at once, however many of its records name it.
  var eyes = new MutationObserver(function (records) {
    var met = new Set();
    records.forEach(function (record) {
      if (record.target.tagName === "SCRIPT") one(record.target);
      each(record.addedNodes, function (node) { clean(node, met); });
    });
  });
  var watch = function (root) {
    eyes.observe(root, { childList: true, subtree: true });
    var met = new Set();
    Array.from(root.children).forEach(function (node) { clean(node, met); });
  };
  var one = function (node) {
    if (node.shadowRoot) watch(node.shadowRoot);
    if (node.tagName === "SCRIPT" && /^\s*speculationrules\s*$/i.test(node.type)) node.remove();
  };
  var clean = function (node, met) {
    if (node.nodeType !== 1 || met.has(node)) return;
    met.add(node);
    for (var next, child = node.firstElementChild; child; child = next) {
      next = child.nextElementSibling;
      clean(child, met);
    }
    one(node);
  };
  watch(d);
  wrap(w.Element.prototype, "attachShadow", function (before) {
    return function () {
      var root = before.apply(this, arguments);
      watch(root);
      return root;
    };
  });

  // Hints to connect in advance that a script makes.
  var hint = function (link, rel, href) {
    if (!/(^|\s)(preconnect|dns-prefetch)(\s|$)/i.test(rel) || !href) return false;
    try { return !may(new URL(href, d.baseURI).hostname); } catch (e) { return false; }
  };
  var links = w.HTMLLinkElement.prototype, said = w.Element.prototype;
  var set = function (link, name, value) {
    var rel = name === "rel" ? value : said.getAttribute.call(link, "rel") || "";
    var href = name === "href" ? value : said.getAttribute.call(link, "href") || "";
    if (!hint(link, String(rel), String(href))) said.setAttribute.call(link, name, value);
  };
  links.setAttribute = function (name, value) {
    var low = String(name).toLowerCase();
    if (low === "rel" || low === "href") set(this, low, value);
    else said.setAttribute.call(this, name, value);
  };
  ["rel", "href"].forEach(function (name) {
    var before = Object.getOwnPropertyDescriptor(links, name);
    Object.defineProperty(links, name, {
      configurable: true, enumerable: true, get: before.get, set: function (value) { set(this, name, value); }
    });
  });

  // Servers that a call asks where it is.
  var servers = function (config) {
    if (!config || !config.iceServers) return config;
    var fresh = Object.assign({}, config);
    fresh.iceServers = [].concat(Array.from(config.iceServers)).filter(function (server) {
      return [].concat(server.urls || []).every(function (url) {
        var met = /^[a-z]+:(\[[^\]]*\]|[^:?]*)/i.exec(url);
        return met && may(met[1]);
      });
    });
    return fresh;
  };
  ["RTCPeerConnection", "webkitRTCPeerConnection"].forEach(function (name) {
    wrap(w, name, function (Before) {
      var Call = function (config) {
        var given = Array.prototype.slice.call(arguments);
        if (given.length) given[0] = servers(config);
        return w.Reflect.construct(Before, given, new.target || Call);
      };
      Object.setPrototypeOf(Call, Before);
      Call.prototype = Before.prototype;
      Call.prototype.constructor = Call;
      return Call;
    });
  });
  wrap(w.RTCPeerConnection && w.RTCPeerConnection.prototype, "setConfiguration", function (before) {
    return function (config) { return before.call(this, servers(config)); };
  });

  // A passkey of another site: the browser asks that site first whether it may.
  var ours = function (name) {
    var id = String(name).toLowerCase(), here = w.location.hostname;
    return !name || id === here || here.slice(-id.length - 1) === "." + id || may(id);
  };
  var keyed = function (find) {
    return function (before) {
      return function (asked) {
        if (ours(find(asked))) return before.apply(this, arguments);
        return w.Promise.reject(new w.DOMException("This page may not ask another site.", "SecurityError"));
      };
    };
  };
  var keys = w.CredentialsContainer && w.CredentialsContainer.prototype;
  wrap(keys, "get", keyed(function (o) { return o && o.publicKey && o.publicKey.rpId; }));
  wrap(keys, "create", keyed(function (o) { return o && o.publicKey && o.publicKey.rp && o.publicKey.rp.id; }));
  ["signalUnknownCredential", "signalAllAcceptedCredentials", "signalCurrentUserDetails"].forEach(function (name) {
    wrap(w.PublicKeyCredential, name, keyed(function (o) { return o && o.rpId; }));
  });
})(document, window);
