//! What the account's pages say, in every language that they speak, and what errors and times read like there.

use crate::captcha;
use crate::lockdown::ELSEWHERE;
use maud::{Markup, html};
use page::{Language, Problems, Text as _};
use sbd_sdk::time::Time;
use sbd_sdk::{Detail, Error};

page::catalogue! {
    /// What the pages say.
    pub(super) Words {
        Site: "Second Brain", "Second Brain";
        Skip: "Skip to the content", "Zum Inhalt springen";
        Menu: "Your account", "Ihr Konto";

        SignIn: "Sign in", "Anmelden";
        SecondStep: "The second step", "Der zweite Schritt";
        FactorCode: "Code", "Code";
        FactorCodeHint: "Of your authenticator app, or a backup code", "Aus Ihrer Authentifizierungs-App, oder ein Ersatzcode";
        SignOut: "Sign out", "Abmelden";
        SignedOut: "You are signed out.", "Sie sind abgemeldet.";
        SignInBy: "Sign in by", "Anmelden mit";
        SignInThere: "Sign in there, and come back", "Melden Sie sich dort an, und kommen Sie zurück";
        BackToSignIn: "Back to the sign-in", "Zurück zur Anmeldung";
        Identifier: "Username or e-mail address", "Benutzername oder E-Mail-Adresse";
        Username: "Username", "Benutzername";
        UsernameHint: "3 to 50 characters out of a-z, A-Z, 0-9, _ and -", "3 bis 50 Zeichen aus a-z, A-Z, 0-9, _ und -";
        Email: "E-mail address", "E-Mail-Adresse";
        Password: "Password", "Passwort";
        PasswordHint: "At least 8 characters, with an upper-case letter, a lower-case letter, a digit and another character", "Mindestens 8 Zeichen, darunter ein großer und ein kleiner Buchstabe, eine Ziffer und ein anderes Zeichen";
        CurrentPassword: "Current password", "Bisheriges Passwort";
        NewPassword: "New password", "Neues Passwort";
        SetPassword: "Set the password", "Passwort setzen";
        ForgotPassword: "Forgot your password?", "Passwort vergessen?";
        ForgotHint: "A code for a new password is sent there.", "Dorthin wird ein Code für ein neues Passwort geschickt.";
        SendMail: "Send the mail", "Mail schicken";
        ResetMailSent: "If there is an account with this address, a mail is on its way. Its code is good for an hour.", "Wenn es ein Konto mit dieser Adresse gibt, ist eine Mail unterwegs. Ihr Code gilt eine Stunde.";
        DecideReset: "Did you ask for a new password?", "Haben Sie ein neues Passwort verlangt?";
        DecideResetAbout: "Somebody asked for one for your account, in a way that is not usual.", "Jemand hat auf ungewöhnliche Weise eines für Ihr Konto verlangt.";
        ApproveReset: "It was me: send the mail", "Ich war es: Mail schicken";
        DenyReset: "It was not me", "Ich war es nicht";
        ResetApproved: "The mail is on its way. Its code is good for an hour.", "Die Mail ist unterwegs. Ihr Code gilt eine Stunde.";
        ResetDenied: "Nobody is sent a mail for a new password of yours for a day. Your password is as it was.", "Einen Tag lang bekommt niemand eine Mail für ein neues Passwort von Ihnen. Ihr Passwort ist, wie es war.";
        PasswordReset: "The password is set and all sessions have ended. Sign in with the new one.", "Das Passwort ist gesetzt und alle Sitzungen sind beendet. Melden Sie sich mit dem neuen an.";

        Register: "Open an account", "Konto eröffnen";
        RegisterClosed: "Nobody opens an account here. Ask an administrator.", "Hier eröffnet niemand ein Konto. Fragen Sie jemanden von der Verwaltung.";
        RegisterByPasskey: "Open one without a password, with a passkey", "Ohne Passwort eröffnen, mit einem Passkey";
        RegisterByPasskeyAbout: "You sign in by what unlocks your device, and have no password. Your browser asks you to make a passkey next.", "Sie melden sich mit dem an, was Ihr Gerät entsperrt, und haben kein Passwort. Ihr Browser fragt Sie gleich, ob er einen Passkey erstellen darf.";
        RegisterByPassword: "Open one with a password", "Mit einem Passwort eröffnen";
        FirstPasskey: "My first passkey", "Mein erster Passkey";
        Invitation: "Code of your invitation", "Code Ihrer Einladung";
        InvitationHint: "It was mailed to your address.", "Er wurde an Ihre Adresse geschickt.";
        HaveAccount: "I have an account", "Ich habe ein Konto";

        CaptchaScript: "Here you have to show that you are a person, which takes a script.", "Hier müssen Sie zeigen, dass Sie ein Mensch sind; dafür braucht es ein Skript.";

        Mailed: "Use a code from a mail", "Code aus einer Mail verwenden";
        Code: "Code", "Code";
        CodeHint: "It stands in the mail: eight digits, or longer at the end of its link, where it begins with mt_.", "Er steht in der Mail: acht Ziffern, oder länger am Ende ihres Links, wo er mit mt_ beginnt.";
        CodeFor: "What is it for?", "Wofür ist er?";
        VerifyAddress: "Confirm an address", "Adresse bestätigen";
        Continue: "Continue", "Weiter";
        AddressVerified: "The address is confirmed.", "Die Adresse ist bestätigt.";

        Account: "Account", "Konto";
        Verified: "confirmed", "bestätigt";
        NotVerified: "not confirmed", "nicht bestätigt";
        Roles: "Roles", "Rollen";
        VerifyMail: "Send a mail to confirm the address", "Mail zum Bestätigen der Adresse schicken";
        MailSent: "A mail is on its way. Its code is good for an hour.", "Eine Mail ist unterwegs. Ihr Code gilt eine Stunde.";
        ChangeAddress: "Change the address", "Adresse ändern";
        NewEmail: "New e-mail address", "Neue E-Mail-Adresse";
        NewEmailHint: "It counts once you have confirmed it by the mail that is sent there.", "Sie gilt, sobald Sie sie mit der Mail bestätigt haben, die dorthin geschickt wird.";
        AddressMailSent: "Mails to both addresses are on their way. The new one counts once it is confirmed.", "Mails an beide Adressen sind unterwegs. Die neue gilt, sobald sie bestätigt ist.";
        ChangePassword: "Change the password", "Passwort ändern";
        PasswordChanged: "The password is changed, and all other sessions have ended.", "Das Passwort ist geändert, und alle anderen Sitzungen sind beendet.";
        SetFirstPassword: "Set a password", "Ein Passwort setzen";
        NoPassword: "Your account has no password: you sign in by a passkey.", "Ihr Konto hat kein Passwort: Sie melden sich mit einem Passkey an.";
        RemovePassword: "Remove the password", "Passwort entfernen";
        RemovePasswordAbout: "Then you sign in by your passkeys alone. Whoever loses them has a new password mailed, and takes the second step by a backup code.", "Dann melden Sie sich nur noch mit Ihren Passkeys an. Wer sie verliert, lässt sich ein neues Passwort mailen und nimmt den zweiten Schritt mit einem Ersatzcode.";
        ChangeName: "Change the username", "Benutzernamen ändern";
        Export: "Take along all there is about you", "Alles mitnehmen, was es über Sie gibt";
        Leave: "Delete the account", "Konto löschen";
        LeaveAbout: "You are signed out everywhere at once, and everything about you is deleted for good after a time to think again, in which your password keeps the account.", "Sie werden sofort überall abgemeldet, und alles über Sie wird nach einer Bedenkzeit endgültig gelöscht, in der Ihr Passwort das Konto erhält.";
        Left: "The account is going to be deleted. Until then you may keep it.", "Das Konto wird gelöscht. Bis dahin können Sie es behalten.";
        Keep: "Keep an account that is to be deleted", "Ein Konto behalten, das gelöscht werden soll";
        Stays: "The account stays. Sign in.", "Das Konto bleibt. Melden Sie sich an.";
        Saved: "Saved.", "Gespeichert.";
        Removed: "Removed.", "Entfernt.";

        Sessions: "Sessions", "Sitzungen";
        SessionsAbout: "Here you are signed in.", "Hier sind Sie angemeldet.";
        UnknownProgram: "A program that did not say its name", "Ein Programm, das seinen Namen nicht sagte";
        ThisSession: "this one", "diese hier";
        ByAdministrator: "An administrator, in your place", "Jemand von der Verwaltung, an Ihrer Stelle";
        Impersonating: "You are signed in in the place of somebody else. What you do is recorded as yours, and they are told. Sign out when you are done.", "Sie sind an der Stelle einer anderen Person angemeldet. Was Sie tun, wird als Ihres festgehalten, und die Person erfährt davon. Melden Sie sich ab, wenn Sie fertig sind.";
        Since: "since", "seit";
        Until: "until", "bis";
        LastUsed: "last used", "zuletzt benutzt";
        End: "End", "Beenden";
        EndAll: "End all sessions", "Alle Sitzungen beenden";
        SessionEnded: "The session has ended.", "Die Sitzung ist beendet.";

        Confirm: "Show once more who you are", "Zeigen Sie noch einmal, wer Sie sind";
        ConfirmAbout: "What comes next matters: it takes your password, or another proof, within the last ten minutes.", "Was jetzt kommt, ist wichtig: Dafür braucht es innerhalb der letzten zehn Minuten Ihr Passwort oder einen anderen Nachweis.";
        ConfirmByPassword: "Continue with the password", "Weiter mit dem Passwort";
        OrByCode: "Or with a code", "Oder mit einem Code";
        ConfirmByCode: "Continue with the code", "Weiter mit dem Code";

        SecondFactor: "Second factor", "Zweiter Faktor";
        SecondFactorAbout: "With a second factor, your password alone signs nobody in.", "Mit einem zweiten Faktor kommt mit Ihrem Passwort allein niemand hinein.";
        SecondFactorRequired: "Accounts like yours have to have a second factor here. Set one up to go on.", "Konten wie Ihres müssen hier einen zweiten Faktor haben. Richten Sie einen ein, um fortzufahren.";
        App: "Authenticator app", "Authentifizierungs-App";
        AppOn: "It is on since", "Sie ist eingeschaltet seit";
        AppOff: "It is off.", "Sie ist ausgeschaltet.";
        AppCodeHint: "The six digits that the app shows", "Die sechs Ziffern, die die App zeigt";
        SetUpApp: "Set up an authenticator app", "Authentifizierungs-App einrichten";
        SetUpAbout: "Scan this with the app, and type in what it shows then.", "Scannen Sie das mit der App und geben Sie ein, was sie dann zeigt.";
        QrCode: "QR code for the authenticator app", "QR-Code für die Authentifizierungs-App";
        OrType: "Or type this into it:", "Oder tippen Sie das dort ein:";
        OpenApp: "Open the app on this device", "App auf diesem Gerät öffnen";
        TurnOn: "Turn on", "Einschalten";
        TurnOff: "Turn off", "Ausschalten";
        BeginAnew: "Begin anew", "Neu beginnen";
        BackupCodes: "Backup codes", "Ersatzcodes";
        BackupCodesLeft: "Codes that you have not used:", "Codes, die Sie nicht benutzt haben:";
        NewBackupCodes: "Make new backup codes", "Neue Ersatzcodes erstellen";
        BackupCodesMade: "Each of these codes takes the second step once, when you do not have the app. Keep them safe: they are not shown again.", "Jeder dieser Codes gilt einmal für den zweiten Schritt, wenn Sie die App nicht haben. Bewahren Sie sie sicher auf: Sie werden nicht wieder gezeigt.";
        RememberedDevices: "Remembered devices", "Gemerkte Geräte";
        RememberedAbout: "There your sign-in takes no second step.", "Dort braucht Ihre Anmeldung keinen zweiten Schritt.";
        Remember: "Remember this device for 30 days", "Dieses Gerät für 30 Tage merken";
        Forget: "Forget", "Vergessen";

        Passkeys: "Passkeys", "Passkeys";
        PasskeysAbout: "With a passkey you sign in by what unlocks your device, without a password.", "Mit einem Passkey melden Sie sich mit dem an, was Ihr Gerät entsperrt, ohne Passwort.";
        NoPasskeys: "There is none.", "Es gibt keine.";
        AddPasskey: "Add a passkey", "Passkey hinzufügen";
        PasskeyName: "Name", "Name";
        PasskeyNameHint: "By which you know the device", "An dem Sie das Gerät erkennen";
        NoPasskeysHere: "This browser has none, or runs no scripts.", "Dieser Browser hat keine oder führt keine Skripte aus.";
        NoPasskeysAt: "Browsers have passkeys for names that are reached over https, and for localhost.", "Browser haben Passkeys für Namen, die über https erreicht werden, und für localhost.";
        PasskeySuspected: "It was used as only a copy of it would be. Remove it if you cannot explain that.", "Er wurde benutzt, wie es nur eine Kopie täte. Entfernen Sie ihn, wenn Sie das nicht erklären können.";
        ByPasskey: "Use a passkey", "Passkey benutzen";
        PasskeyAbout: "Your browser asks you for a passkey.", "Ihr Browser fragt Sie nach einem Passkey.";
        PasskeyFailed: "That did not work, or you called it off. Try again, or go back.", "Das ging nicht, oder Sie haben es abgebrochen. Versuchen Sie es noch einmal, oder gehen Sie zurück.";
        UsePasskey: "Try again", "Noch einmal versuchen";
        Rename: "Rename", "Umbenennen";
        RenamePasskey: "Rename a passkey", "Passkey umbenennen";
        Remove: "Remove", "Entfernen";

        Places: "Places", "Orte";
        PlacesAbout: "You may bind your account to networks and programs. From anywhere else nobody signs in to it, whatever they know, and no program acts for you.", "Sie können Ihr Konto an Netze und Programme binden. Von anderswo meldet sich dann niemand an, was immer er weiß, und kein Programm handelt für Sie.";
        PlacesOn: "Your account is bound since", "Ihr Konto ist gebunden seit";
        PlacesOff: "Your account is used from anywhere.", "Ihr Konto wird von überall benutzt.";
        PlacesWait: "A change waits for you to confirm it by the mail that was sent to you, until", "Eine Änderung wartet darauf, dass Sie sie mit der Mail bestätigen, die Ihnen geschickt wurde, bis";
        PlacesBound: "Your account is bound, and all other sessions have ended.", "Ihr Konto ist gebunden, und alle anderen Sitzungen sind beendet.";
        BindToPlaces: "Bind the account to places", "Konto an Orte binden";
        Here: "Where you are now", "Wo Sie gerade sind";
        NetworkAddress: "Address in the network", "Adresse im Netz";
        ProgramName: "Program", "Programm";
        PlaceNetworks: "Networks", "Netze";
        PlaceNetworksHint: "An address or a range on each line: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32. Nothing, for any network", "Eine Adresse oder ein Bereich je Zeile: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32. Nichts für jedes Netz";
        PlacePrograms: "Programs", "Programme";
        PlaceProgramsHint: "A part of what a program calls itself on each line, or = and all of it. Nothing, for any program", "Ein Teil dessen, wie sich ein Programm nennt, je Zeile, oder = und alles davon. Nichts für jedes Programm";
        EvenIfLockedOut: "Even if it leaves out where I am now", "Auch wenn es auslässt, wo ich gerade bin";
        Passes: "Passes", "Passierscheine";
        PassesAbout: "With a pass you sign in from anywhere as long as it is good. Make one before you leave.", "Mit einem Passierschein melden Sie sich von überall an, solange er gilt. Erstellen Sie einen, bevor Sie losfahren.";
        Anywhere: "For anywhere", "Für überall";
        MakePass: "Make a pass", "Passierschein erstellen";
        Hours: "Hours that it is good", "Stunden, die er gilt";
        HoursHint: "1 to 72", "1 bis 72";
        PassMade: "Here is the pass. Copy it now: it is not shown again.", "Hier ist der Passierschein. Kopieren Sie ihn jetzt: Er wird nicht wieder gezeigt.";
        Pass: "Pass", "Passierschein";
        PassHint: "If you made one beforehand. Otherwise let yourself in by the mail that was sent to you.", "Wenn Sie vorher einen erstellt haben. Sonst lassen Sie sich mit der Mail hinein, die Ihnen geschickt wurde.";
        LetIn: "Let a place in?", "Einen Ort hineinlassen?";
        LetInAbout: "Somebody who knows what it takes came to your account from here. Let it in only if it was you.", "Jemand, der alles Nötige weiß, kam von hier zu Ihrem Konto. Lassen Sie es nur hinein, wenn Sie es waren.";
        LetInOnce: "Let a place in for 15 minutes", "Einen Ort für 15 Minuten hineinlassen";
        LetInAlways: "Let a place in from now on", "Einen Ort von jetzt an hineinlassen";
        LetNobodyIn: "It was not me", "Das war ich nicht";
        PlaceAllowed: "That place is let in. Sign in from there.", "Dieser Ort ist hineingelassen. Melden Sie sich von dort an.";

        Tokens: "Tokens", "Token";
        TokensAbout: "Programs that act for you have permanent tokens, which may do what you give them.", "Programme, die für Sie handeln, haben dauerhafte Token, die dürfen, was Sie ihnen geben.";
        NoTokens: "There is none.", "Es gibt keine.";
        MakeToken: "Make a token", "Token ausstellen";
        TokenName: "Name", "Name";
        TokenNameHint: "By which you know the program", "An dem Sie das Programm erkennen";
        Scopes: "What it may do", "Was es darf";
        ScopesHint: "Permissions, with blanks between them: families:read, families:* for all of an area, *:read for reading alone, * for all that you may", "Berechtigungen, durch Leerzeichen getrennt: families:read, families:* für einen ganzen Bereich, *:read nur zum Lesen, * für alles, was Sie dürfen";
        Days: "Days until it runs out", "Tage, bis es abläuft";
        DaysHint: "1 to 3650, or nothing for a token that does not run out", "1 bis 3650, oder nichts für ein Token, das nicht abläuft";
        TokenMade: "Here is the token. Copy it now: it is not shown again.", "Hier ist das Token. Kopieren Sie es jetzt: Es wird nicht wieder gezeigt.";
        Kept: "I have copied it", "Ich habe es kopiert";
        TakeBack: "Take back", "Zurücknehmen";
        TokenEnded: "The token is taken back.", "Das Token ist zurückgenommen.";
        TokenNetworks: "Where it is good", "Wo es gilt";
        TokenNetworksHint: "Addresses or networks, with blanks between them: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32; nothing for anywhere", "Adressen oder Netze, durch Leerzeichen getrennt: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32; nichts für überall";
        Waiting: "waits for approval", "wartet auf Freigabe";
        TokenWaits: "It does nothing until an administrator approves it. You are told when that is done.", "Es bewirkt nichts, bis die Verwaltung es freigibt. Sie erfahren, wenn das geschehen ist.";
        Token: "Token", "Token";
        TokenUse: "How much it is used", "Wie viel es benutzt wird";
        TokenUseAbout: "Minutes in which requests came with it, by day (UTC), of the last 30 days.", "Minuten, in denen Anfragen mit ihm kamen, nach Tagen (UTC), der letzten 30 Tage.";
        TokenNotUsed: "It was not used.", "Es wurde nicht benutzt.";
        Rotate: "Make another secret", "Neues Geheimnis ausstellen";
        RotateAbout: "The program gets another token for the same purpose. The one before stays good for a while, until all have the new one.", "Das Programm bekommt ein neues Token für denselben Zweck. Das bisherige gilt noch eine Weile, bis alle das neue haben.";
        ChangeToken: "Change the token", "Das Token ändern";
        ChangeTokenAbout: "This counts with the next request. What it may do stays as it is: make another token for that.", "Das gilt ab der nächsten Anfrage. Was es darf, bleibt, wie es ist: Erstellen Sie dafür ein anderes Token.";
        Overlap: "Hours for which the one before stays good", "Stunden, die das bisherige noch gilt";
        OverlapHint: "0 to 168; with 0 it ends at once", "0 bis 168; bei 0 endet es sofort";
        FormerUntil: "The one before is good until", "Das bisherige gilt bis";

        Programs: "Programs", "Programme";
        ProgramsAbout: "Programs of others that act for you because you allowed it.", "Programme von anderen, die für Sie handeln, weil Sie es erlaubt haben.";
        NoPrograms: "There is none.", "Es gibt keine.";
        Consent: "Allow a program to act for you?", "Darf ein Programm für Sie handeln?";
        ConsentAbout: "asks to act for you.", "möchte für Sie handeln.";
        NotChecked: "It registered itself: nobody has checked its name.", "Es hat sich selbst eingetragen: Niemand hat seinen Namen geprüft.";
        LeadsBack: "You are led back to", "Sie werden zurückgeleitet zu";
        Allow: "Allow", "Erlauben";
        Deny: "Deny", "Ablehnen";
        Decided: "You have decided", "Sie haben entschieden";
        BackToProgram: "Back to the program", "Zurück zum Programm";
        Device: "Connect a device", "Gerät verbinden";
        DeviceCodeHint: "The device shows it.", "Das Gerät zeigt ihn.";
        DeviceYours: "Go on only if your own device shows this code:", "Fahren Sie nur fort, wenn Ihr eigenes Gerät diesen Code zeigt:";
        DeviceConnected: "The device is connected. Go on there.", "Das Gerät ist verbunden. Fahren Sie dort fort.";
        DeviceDenied: "The device was turned away.", "Das Gerät wurde abgewiesen.";

        Activity: "Activity", "Aktivität";
        ActivityAbout: "What was done with your account, the newest first.", "Was mit Ihrem Konto getan wurde, das Neueste zuerst.";
        Earlier: "Earlier", "Früheres";
        DoneRegistered: "The account was opened", "Das Konto wurde eröffnet";
        DonePasswordChanged: "The password was changed", "Das Passwort wurde geändert";
        DoneAddressVerified: "The address was confirmed", "Die Adresse wurde bestätigt";
        DoneAddressChanged: "The address was changed", "Die Adresse wurde geändert";
        DoneKeyWrapped: "The passphrase or the recovery key of the encryption was changed", "Die Passphrase oder der Wiederherstellungsschlüssel der Verschlüsselung wurde geändert";
        DoneSwitchedOff: "The account was switched off", "Das Konto wurde abgeschaltet";
        DoneSwitchedOn: "The account was switched on", "Das Konto wurde angeschaltet";
        DoneAppointed: "You became an administrator", "Sie wurden in die Verwaltung berufen";
        DoneDismissed: "You are no administrator any more", "Sie gehören nicht mehr zur Verwaltung";
        DoneTokenMade: "A token was made", "Ein Token wurde ausgestellt";
        DoneTokenEnded: "A token was taken back", "Ein Token wurde zurückgenommen";
        DoneTokenApproved: "A token was approved", "Ein Token wurde freigegeben";
        DoneTokenChanged: "A token was changed", "Ein Token wurde geändert";
        DoneTokenRotated: "A token got another secret", "Ein Token bekam ein neues Geheimnis";
        DoneTokenStrayed: "A token was refused where it is not good", "Ein Token wurde abgewiesen, wo es nicht gilt";
        DoneSessionBegan: "Somebody signed in", "Jemand hat sich angemeldet";
        DoneRenamed: "The account was renamed", "Das Konto wurde umbenannt";
        DoneLeaving: "The account is to be deleted", "Das Konto soll gelöscht werden";
        DoneStays: "The account is to stay", "Das Konto soll bleiben";
        DoneRefused: "Somebody failed to sign in", "Jemand kam nicht hinein";
        DoneSecondFactorOn: "A second factor was turned on", "Ein zweiter Faktor wurde eingeschaltet";
        DoneSecondFactorOff: "A second factor was turned off", "Ein zweiter Faktor wurde ausgeschaltet";
        DoneSecondFactorReset: "An administrator took the second factor away", "Die Verwaltung hat den zweiten Faktor entfernt";
        DoneSecondFactorRefused: "Somebody knew the password and not the second factor", "Jemand kannte das Passwort und nicht den zweiten Faktor";
        DoneBackupCodesMade: "New backup codes were made", "Neue Ersatzcodes wurden erstellt";
        DoneBackupCodeUsed: "A backup code was used", "Ein Ersatzcode wurde benutzt";
        DoneDeviceRemembered: "A device was remembered", "Ein Gerät wurde gemerkt";
        DoneDeviceForgotten: "A device was forgotten", "Ein Gerät wurde vergessen";
        DonePasswordRemoved: "The password was removed", "Das Passwort wurde entfernt";
        DonePasskeyAdded: "A passkey was added", "Ein Passkey wurde hinzugefügt";
        DonePasskeyRenamed: "A passkey was renamed", "Ein Passkey wurde umbenannt";
        DonePasskeyRemoved: "A passkey was removed", "Ein Passkey wurde entfernt";
        DonePasskeyUsed: "A passkey was used", "Ein Passkey wurde benutzt";
        DonePasskeySuspected: "A passkey was refused: there may be a copy of it", "Ein Passkey wurde abgewiesen: Es gibt vielleicht eine Kopie";
        DoneLockdownChanged: "Where the account is used from was changed", "Von wo das Konto benutzt wird, wurde geändert";
        DoneLockdownLifted: "An administrator let the account be used from anywhere", "Die Verwaltung hat das Konto von überall benutzbar gemacht";
        DonePlaceRefused: "Somebody knew what it takes and came from elsewhere", "Jemand wusste alles Nötige und kam von anderswo";
        DonePlaceAllowed: "A place was let in by mail", "Ein Ort wurde per Mail hineingelassen";
        DonePassMade: "A pass was made", "Ein Passierschein wurde erstellt";
        DonePassEnded: "A pass was taken back", "Ein Passierschein wurde zurückgenommen";
        DoneConsentGiven: "You let a program act for you", "Sie haben ein Programm für sich handeln lassen";
        DoneConsentWithdrawn: "You took that back from a program", "Sie haben das einem Programm wieder genommen";
        DoneConsentDenied: "You turned a program away", "Sie haben ein Programm abgewiesen";
        DoneSignInSuspected: "The sign-in was from a country that is new, or too far away", "Die Anmeldung kam aus einem Land, das neu ist oder zu weit weg";
        DoneResetSuspected: "Somebody asked for a new password in a way that is not usual", "Jemand hat auf ungewöhnliche Weise ein neues Passwort verlangt";
        DoneResetApproved: "You said that it was you who asked for a new password", "Sie haben gesagt, dass Sie das neue Passwort verlangt haben";
        DoneResetDenied: "You said that it was not you who asked for a new password", "Sie haben gesagt, dass nicht Sie das neue Passwort verlangt haben";
        DoneConfirmed: "You showed once more who you are", "Sie haben noch einmal gezeigt, wer Sie sind";

        Wrong: "This was not taken:", "Das wurde nicht angenommen:";
        NotDone: "This did not work", "Das ging nicht";
        GoOn: "Go on to your account", "Weiter zu Ihrem Konto";
        ErrorCredentials: "This is not right. Check it and try again.", "Die Angaben stimmen nicht. Prüfen Sie sie und versuchen Sie es noch einmal.";
        ErrorCode: "This code is not known, was used, or has run out. Ask for another mail.", "Dieser Code ist nicht bekannt, wurde schon benutzt oder ist abgelaufen. Fordern Sie eine neue Mail an.";
        ErrorCaptcha: "Show that you are a person, and send this again.", "Zeigen Sie, dass Sie ein Mensch sind, und senden Sie das noch einmal.";
        ErrorRate: "There were too many attempts. Wait a while and try again.", "Das waren zu viele Versuche. Warten Sie eine Weile und versuchen Sie es noch einmal.";
        ErrorForbidden: "You may not do this. Ask an administrator.", "Das dürfen Sie nicht. Fragen Sie jemanden von der Verwaltung.";
        ErrorElsewhere: "This account is used from other places only. What was mailed to its address lets you in, and so does a pass that was made beforehand.", "Dieses Konto wird nur von anderen Orten benutzt. Was an seine Adresse geschickt wurde, lässt Sie hinein, und ein vorher erstellter Passierschein auch.";
        ErrorConflict: "This does not go with what there is already.", "Das passt nicht zu dem, was es schon gibt.";
        ErrorForm: "This form is too old, or was not on a page of ours that was shown to you. Open the page again and send it from there.", "Dieses Formular ist zu alt oder stand auf keiner Seite von uns, die Ihnen gezeigt wurde. Öffnen Sie die Seite neu und senden Sie es von dort.";
        ErrorMissing: "There is no such thing any more.", "Das gibt es nicht mehr.";
        ErrorOther: "Something went wrong. Try again.", "Etwas ging schief. Versuchen Sie es noch einmal.";
        FieldWrong: "cannot be this; see what it has to be", "kann so nicht sein; sehen Sie, wie es sein muss";
        FieldTaken: "is taken", "ist vergeben";
        FieldPassword: "is not the password of this account", "ist nicht das Passwort dieses Kontos";
    }
}

// === impl Words ===

impl Words {
    /// What was done, as `events` and the account of sign-ins call it.
    pub(super) fn of_action(action: &str) -> Option<Self> {
        Some(match action {
            "account.registered" => Self::DoneRegistered,
            "account.password_changed" => Self::DonePasswordChanged,
            "account.address_verified" => Self::DoneAddressVerified,
            "account.address_changed" => Self::DoneAddressChanged,
            "account.key_wrapped" => Self::DoneKeyWrapped,
            "account.switched_off" => Self::DoneSwitchedOff,
            "account.switched_on" => Self::DoneSwitchedOn,
            "account.appointed" => Self::DoneAppointed,
            "account.dismissed" => Self::DoneDismissed,
            "token.made" => Self::DoneTokenMade,
            "token.ended" => Self::DoneTokenEnded,
            "token.approved" => Self::DoneTokenApproved,
            "token.changed" => Self::DoneTokenChanged,
            "token.rotated" => Self::DoneTokenRotated,
            "token.strayed" => Self::DoneTokenStrayed,
            "session.began" => Self::DoneSessionBegan,
            "session.confirmed" => Self::DoneConfirmed,
            "account.sign_in_suspected" => Self::DoneSignInSuspected,
            "password_reset.suspected" => Self::DoneResetSuspected,
            "password_reset.approved" => Self::DoneResetApproved,
            "account.resets_denied" => Self::DoneResetDenied,
            "account.renamed" => Self::DoneRenamed,
            "account.leaving" => Self::DoneLeaving,
            "account.stays" => Self::DoneStays,
            "sign_in.refused" => Self::DoneRefused,
            "account.second_factor_on" => Self::DoneSecondFactorOn,
            "account.second_factor_off" => Self::DoneSecondFactorOff,
            "account.second_factor_reset" => Self::DoneSecondFactorReset,
            "second_factor.refused" => Self::DoneSecondFactorRefused,
            "account.backup_codes_made" => Self::DoneBackupCodesMade,
            "account.backup_code_used" => Self::DoneBackupCodeUsed,
            "device.remembered" => Self::DoneDeviceRemembered,
            "device.forgotten" => Self::DoneDeviceForgotten,
            "account.password_removed" => Self::DonePasswordRemoved,
            "passkey.added" => Self::DonePasskeyAdded,
            "passkey.renamed" => Self::DonePasskeyRenamed,
            "passkey.removed" => Self::DonePasskeyRemoved,
            "passkey.used" => Self::DonePasskeyUsed,
            "passkey.suspected" => Self::DonePasskeySuspected,
            "account.lockdown_changed" => Self::DoneLockdownChanged,
            "account.lockdown_lifted" => Self::DoneLockdownLifted,
            "account.place_refused" => Self::DonePlaceRefused,
            "account.place_allowed" => Self::DonePlaceAllowed,
            "pass.made" => Self::DonePassMade,
            "pass.ended" => Self::DonePassEnded,
            "consent.given" => Self::DoneConsentGiven,
            "consent.withdrawn" => Self::DoneConsentWithdrawn,
            "consent.denied" => Self::DoneConsentDenied,
            _ => return None,
        })
    }
}

/// What an error says in a language. In English it is what the error says itself; in others what its code means.
pub(super) fn problems(error: &Error, language: Language) -> Problems {
    match (error.code(), language) {
        ("FORM_INVALID", _) => whole(Words::ErrorForm.of(language)),
        (captcha::REQUIRED, _) => whole(Words::ErrorCaptcha.of(language)),
        (_, Language::English) => english(error),
        ("VALIDATION_ERROR", _) => Problems {
            all: String::new(),
            fields: error
                .details()
                .iter()
                .map(|detail| field(detail, language))
                .collect(),
        },
        (code, _) => Problems {
            fields: error
                .details()
                .iter()
                .map(|detail| field(detail, language))
                .collect(),
            ..whole(words(code).of(language))
        },
    }
}

fn english(error: &Error) -> Problems {
    let problems = Problems::of(error);
    let mut rest = problems.all.chars();
    let first = rest.next().map(char::to_uppercase);
    let all: String = first.into_iter().flatten().chain(rest).collect();
    let stop = if all.is_empty() { "" } else { "." };
    Problems {
        all: all + stop,
        ..problems
    }
}

fn whole(all: &str) -> Problems {
    Problems {
        all: all.to_owned(),
        fields: Vec::new(),
    }
}

fn words(code: &str) -> Words {
    match code {
        "INVALID_CREDENTIALS" => Words::ErrorCredentials,
        "TOKEN_INVALID" | "TOKEN_EXPIRED" => Words::ErrorCode,
        "RATE_LIMITED" => Words::ErrorRate,
        "FORBIDDEN" => Words::ErrorForbidden,
        ELSEWHERE => Words::ErrorElsewhere,
        "CONFLICT" => Words::ErrorConflict,
        "NOT_FOUND" => Words::ErrorMissing,
        _ => Words::ErrorOther,
    }
}

fn field(detail: &Detail, language: Language) -> Detail {
    let words = match detail.message.as_str() {
        "is taken" => Words::FieldTaken,
        "is not the password of this account" => Words::FieldPassword,
        _ => Words::FieldWrong,
    };
    Detail {
        field: detail.field.clone(),
        message: words.of(language).to_owned(),
    }
}

/// A day.
pub(super) fn date(at: Time) -> Markup {
    let at = at.to_string();
    let day = at.get(..10).unwrap_or_default();
    html! { time datetime=(at) { (day) } }
}

/// A moment, in the one time zone that is right for everybody.
pub(super) fn moment(at: &str) -> Markup {
    let (day, time) = (
        at.get(..10).unwrap_or_default(),
        at.get(11..16).unwrap_or_default(),
    );
    html! { time datetime=(at) { (day) " " (time) " UTC" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence_in_either_language() {
        let wrong = Error::invalid_credentials("name or password is wrong; check both");
        let said = |language| problems(&wrong, language).all;
        assert_eq!(
            said(Language::English),
            "Name or password is wrong; check both."
        );
        assert!(said(Language::German).starts_with("Die Angaben stimmen nicht"));
        let taken = Error::conflict("there is one").with_detail("email", "is taken");
        let said = problems(&taken, Language::German);
        assert_eq!(said.fields[0].message, "ist vergeben");
        assert!(problems(&taken, Language::English).all.is_empty());
    }

    #[test]
    fn a_time_reads_as_a_day_or_a_moment() {
        let said = date(Time::from_seconds(1_000_000_000)).into_string();
        assert!(said.contains(">2001-09-09<"), "{said}");
        let said = moment("2001-09-09T01:46:40.000Z").into_string();
        assert!(said.contains(">2001-09-09 01:46 UTC<"), "{said}");
    }
}
