;;; greenloop-stage.el --- What the tests of the layer stand on  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A folder of a test's own, and a peer in the sidecar's place that says what the
;; test lets it say, in the bytes of the real one.

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'greenloop)

(setq make-backup-files nil
      create-lockfiles nil)

(defmacro greenloop-stage-in-folder (root &rest body)
  "Do BODY with ROOT bound to a folder that goes with it, and its buffers, too."
  (declare (indent 1) (debug t))
  `(let* ((,root (file-name-as-directory (file-truename (make-temp-file "gl" t))))
          (default-directory ,root))
     (unwind-protect (progn ,@body)
       (dolist (buffer (buffer-list))
         (when (string-prefix-p ,root (or (buffer-file-name buffer) ""))
           (with-current-buffer buffer (set-buffer-modified-p nil))
           (kill-buffer buffer)))
       (delete-directory ,root t))))

(defun greenloop-stage-bytes (file &optional bytes)
  "Write BYTES into FILE, or without them return its own."
  (if bytes (let ((coding-system-for-write 'no-conversion)) (write-region bytes nil file nil 'quiet))
    (with-temp-buffer
      (set-buffer-multibyte nil)
      (insert-file-contents-literally file)
      (buffer-string))))

(defun greenloop-stage-file (path old new &rest hunks)
  "Return a file of a hand-over: PATH from OLD to NEW by HUNKS, (START END OLD NEW NEW-START)."
  (list :path path :base_sha256 (and old (greenloop-text-sha256 old)) :text new
        :hunks (vconcat (cl-loop for (start end was is at) in hunks
                                 collect (list :id "1" :start start :end end :old was :new is :new_start at)))))

(defvar greenloop-stage--file nil "Where the peer keeps what it is sent.")
(defvar greenloop-stage--answered nil "Alist of a request's name → how many of them were answered.")

(defun greenloop-stage-sent (method &optional count)
  "Return the messages METHOD that the peer was sent; wait for COUNT of them, or one."
  (with-timeout (60 (error "The peer was not sent %s" method))
    (let (found)
      (while (< (length (setq found
                              (cl-loop for text in (split-string (decode-coding-string (greenloop-stage-bytes greenloop-stage--file) 'utf-8-unix)
                                                                 "Content-Length: [0-9]+\r\n\r\n" t)
                                       ;; the last one may not have come as a whole
                                       for one = (ignore-errors (greenloop-stage-parsed text))
                                       when (and one (equal method (plist-get one :method))) collect one)))
                (or count 1))
        (accept-process-output nil 0.05))
      found)))

(defun greenloop-stage-parsed (text)
  "Return the JSON of TEXT as the layer has it."
  (json-parse-string text :object-type 'plist :null-object nil :false-object :json-false))

(defun greenloop-stage-asked (method &optional count)
  "Return the parameters of the newest message METHOD to the peer, the COUNT-th one."
  (plist-get (car (last (greenloop-stage-sent method count))) :params))

(defun greenloop-stage-say (&rest message)
  "Let the peer say MESSAGE, in two pieces, and wait until it is handled."
  (let* ((text (json-serialize (append '(:jsonrpc "2.0") message) :null-object nil :false-object :json-false))
         (bytes (format "Content-Length: %d\r\n\r\n%s" (string-bytes text) text))
         (process (jsonrpc--process greenloop-link--connection))
         (half (/ (length bytes) 2)))
    (dolist (piece (list (substring bytes 0 half) (substring bytes half)))
      (funcall (process-filter process) process piece))
    (while (or greenloop-link--queue greenloop-link--questions) (accept-process-output nil 0.05))))

(defun greenloop-stage-answer (method &rest result)
  "Let the peer answer the oldest request METHOD that waits with RESULT."
  (greenloop-stage-reply method :result result))

(defun greenloop-stage-reply (method &rest reply)
  "Let the peer answer the oldest request METHOD that waits: REPLY is a result or an error."
  (let* ((count (cl-incf (alist-get method greenloop-stage--answered 0 nil #'equal)))
         (asked (nth (1- count) (greenloop-stage-sent method count))))
    (apply #'greenloop-stage-say :id (plist-get asked :id) reply)))

(defmacro greenloop-stage-with-peer (root &rest body)
  "Do BODY with ROOT, a folder with the file f.ml, which a peer has opened as workspace w.
The peer keeps what it is sent in the file `sent'."
  (declare (indent 1) (debug t))
  `(greenloop-stage-in-folder ,root
     (make-directory ".git")
     (greenloop-stage-bytes "f.ml" "one\n")
     (let* (greenloop-turn-all
            greenloop-link--connection
            greenloop-link--workspaces
            greenloop-stage--answered
            (greenloop-stage--file (expand-file-name "sent" root))
            (greenloop-command (list "sh" "-c" (format "cat >%s" (shell-quote-argument greenloop-stage--file)))))
       (greenloop-stage-bytes greenloop-stage--file "")
       (unwind-protect
           (progn
             (greenloop-link-open)
             (greenloop-stage-answer "workspace/open" :workspace "w" :root ,root :trusted t :toolchain "dune")
             ,@body)
         (jsonrpc-shutdown greenloop-link--connection)
         (while greenloop-link--queue (accept-process-output nil 0.05))
         (dolist (buffer (buffer-list))
           (when (string-match-p "\\`\\*Greenloop.*:" (buffer-name buffer)) (kill-buffer buffer)))))))

(defmacro greenloop-stage-with-turn (root turn &rest body)
  "Do BODY with ROOT as `greenloop-stage-with-peer' has it, and TURN, for which the peer was asked."
  (declare (indent 2) (debug t))
  `(greenloop-stage-with-peer ,root
     (let ((,turn (greenloop-turn-start (greenloop-link-workspace) nil '(:kind "ask" :prompt "do") nil))) ,@body)))

(defun greenloop-stage-suggestion (name &rest files)
  "Return the suggestion NAME of FILES, (PATH HUNK...); a hunk is (ID START END OLD NEW NEW-START)."
  (list :id name :label name :flags [] :problems []
        :files (vconcat
                (cl-loop for (path . hunks) in files
                         collect (list :path path :kind "change"
                                       :base_sha256 (greenloop-text-sha256 (greenloop-text-now (expand-file-name path)))
                                       :hunks (vconcat (cl-loop for (id start end old new at) in hunks
                                                                collect (list :id id :start start :end end :old old
                                                                              :new new :new_start at))))))))

(defun greenloop-stage-accept (turn old new name)
  "Accept a suggestion of TURN that changes f.ml from OLD to NEW; the acceptance has NAME."
  (let ((suggestion (greenloop-stage-suggestion name (list "f.ml" (list "1" 0 1 old new 0)))))
    (greenloop-turn-accept turn suggestion (greenloop-turn-keys suggestion))
    (greenloop-stage-answer "suggestion/accept" :acceptance name :label "no error" :rebased :json-false
                            :files (vector (greenloop-stage-file "f.ml" old new (list 0 1 old new 0))))))

(provide 'greenloop-stage)
;;; greenloop-stage.el ends here
