/* The few things that only the browser knows: the colour scheme, and closing a popup by Escape or a click outside. */
(function () {
    "use strict";

    const KEY = "mantine-color-scheme-value";
    const CHOICES = ["light", "dark", "auto"];

    function stored() {
        try {
            const choice = localStorage.getItem(KEY);
            return CHOICES.includes(choice) ? choice : "auto";
        } catch (error) {
            return "auto";
        }
    }

    function resolved(choice) {
        if (choice !== "auto") {
            return choice;
        }
        return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    }

    function store(choice) {
        try {
            localStorage.setItem(KEY, choice);
            /* Mantine listens to this event to follow other tabs; here it follows our own control. */
            dispatchEvent(new StorageEvent("storage", { key: KEY, newValue: choice, storageArea: localStorage }));
        } catch (error) {
            document.documentElement.setAttribute("data-mantine-color-scheme", resolved(choice));
        }
    }

    let started = false;

    window.dash_clientside = Object.assign({}, window.dash_clientside, {
        shop: {
            /* The first call brings the remembered choice into the control, every later one remembers the control's. */
            chooseScheme: function (value) {
                const choice = started ? value : stored();
                if (started) {
                    store(choice);
                }
                started = true;
                return [resolved(choice), choice];
            },
        },
    });

    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
        if (stored() === "auto") {
            window.dash_clientside.set_props("scheme", { data: resolved("auto") });
        }
    });

    addEventListener("storage", function (event) {
        if (event.isTrusted && event.key === KEY) {
            window.dash_clientside.set_props("scheme-choice", { value: stored() });
            window.dash_clientside.set_props("scheme", { data: resolved(stored()) });
        }
    });

    function closePopups(except) {
        document.querySelectorAll("details.popup[open]").forEach(function (popup) {
            if (!except || !popup.contains(except)) {
                popup.removeAttribute("open");
            }
        });
    }

    document.addEventListener("click", function (event) {
        closePopups(event.target);
    });
    document.addEventListener("keydown", function (event) {
        if (event.key === "Escape") {
            const popup = event.target.closest ? event.target.closest("details.popup[open]") : null;
            closePopups(null);
            if (popup) {
                popup.querySelector("summary").focus();
            }
        }
    });
})();
